# What is done with the copies of workspaces, on the machine that has the folder they are in. Each copy has a file beside
# it that tells how many files were brought, and is older than all that a job has written there since.

torchx_is_own() {  # name
  [ "$(find "$1" -prune -type d -user "$(id -u)" 2>/dev/null)" ]
}

torchx_count() {  # name; what Python compiles on its way is nobody's file
  find "$1" -name __pycache__ -prune -o ! -type d -print | wc -l
}

torchx_is_untouched() {  # name
  [ "$(find "$1.files" -prune -type f -user "$(id -u)" 2>/dev/null)" ] &&
    [ "$(torchx_count "$1")" = "$(cat "$1.files")" ] &&
    [ -z "$(find "$1" -name __pycache__ -prune -o ! -type d -cnewer "$1.files" -print)" ]
}

torchx_find() {  # fingerprint; prints the path of a copy that a further job may use
  for _torchx_file in "$1"-*.files; do
    _torchx_copy=${_torchx_file%.files}
    if torchx_is_own "$_torchx_copy" && torchx_is_untouched "$_torchx_copy" && touch "$_torchx_copy"; then
      echo "$(pwd -P)/$_torchx_copy"
      return
    fi
  done
}

torchx_make() {  # name; prints its path
  mkdir "$1" && echo "$(pwd -P)/$1"
}

torchx_complete() {  # name
  torchx_count "$1" >"$1.files"
}

torchx_used() {  # minutes; prints the names of copies whose jobs have not ended so long ago
  {
    find ../.torchx-jobs -mindepth 2 -maxdepth 2 -name end -mmin "+$1"
    find ../.torchx-jobs -mindepth 2 -maxdepth 2 -name job.json -user "$(id -u)" \
      -exec grep -oE '\.torchx-workspaces/[0-9a-f]+-[0-9a-f]+' /dev/null {} +
  } 2>/dev/null | awk -F/ '$NF == "end" { ended[$3] = 1; next } !($3 in ended) { print $NF }'
}

torchx_clean() {  # minutes, names; without names all copies
  _torchx_minutes=$1
  shift
  [ "$#" -gt 0 ] || set -- *
  _torchx_used=$(torchx_used "$_torchx_minutes")
  for _torchx_copy; do
    case $_torchx_copy in *.files) continue ;; esac
    [ "$(find "$_torchx_copy" -prune -mmin "+$_torchx_minutes" 2>/dev/null)" ] || continue
    torchx_is_own "$_torchx_copy" || continue
    # One without the file was never complete.
    [ ! -e "$_torchx_copy.files" ] || torchx_is_untouched "$_torchx_copy" || continue
    echo "$_torchx_used" | grep -qxF -- "$_torchx_copy" && continue
    torchx_remove "$_torchx_copy"
  done
}

torchx_remove() {  # name
  find "$1" -type d ! -perm -u+wx -exec chmod u+wx {} \;
  rm -rf -- "$1" "$1.files"
}

torchx_copies() {  # job_dir, what to do, its arguments
  _torchx_above=$1 _torchx_store=$1/.torchx-workspaces _torchx_do=$2
  shift 2
  if [ ! -d "$_torchx_store" ]; then
    [ "$_torchx_do" = make ] || return 0
    mkdir -p -- "$_torchx_above" || return 1
    mkdir -- "$_torchx_store" 2>/dev/null && chmod 1777 -- "$_torchx_store"
  fi
  cd -- "$_torchx_store" && "torchx_$_torchx_do" "$@"
}
