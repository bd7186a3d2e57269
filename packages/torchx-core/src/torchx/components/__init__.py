"""Built-in components: functions that return an ``AppDef``.

``torchx builtins`` lists them; ``torchx run dist.ddp --help`` shows the options of one.
"""
