from __future__ import annotations

import pytest

from torchx.errors import TorchXError
from torchx.specs import NULL_RESOURCE, CapabilityKey, Resource
from torchx.specs._resource import TAG_FRACTION, TAG_NAME


def test_a_copy_has_more_capabilities_and_shares_nothing() -> None:
    original = Resource(1, 2, 3, capabilities={"a": 1, "b": 2}, devices={"d": 1}, tags={"t": 1})
    copied = Resource.copy(original, b=3, c=4)
    assert copied == Resource(1, 2, 3, capabilities={"a": 1, "b": 3, "c": 4}, devices={"d": 1})
    assert copied.tags == {"t": 1}
    copied.devices["e"] = 1
    copied.tags["u"] = 1
    assert original == Resource(1, 2, 3, capabilities={"a": 1, "b": 2}, devices={"d": 1})
    assert original.tags == {"t": 1}


def test_tags_tell_name_and_fraction_and_have_no_part_in_comparisons() -> None:
    half = Resource(1, 0, 10, tags={TAG_NAME: "half", TAG_FRACTION: 0.5})
    assert half.get_resource_name() == "half"
    assert half.is_fractional()
    assert half == Resource(1, 0, 10)
    assert Resource(1, 0, 10).get_resource_name() is None
    assert not Resource(1, 0, 10).is_fractional()


def test_the_null_resource_is_written_in_full() -> None:
    assert repr(NULL_RESOURCE) == "Resource(cpu=-1, gpu=-1, memMB=-1, capabilities={}, devices={}, tags={})"


def test_a_capability_is_set_and_read_under_its_namespace() -> None:
    zone = CapabilityKey("example.com", "zone", str)
    res = Resource(1, 0, 10)
    assert zone.get(res) is None
    assert zone.get(res, "x") == "x"
    zone.set(res, "a")
    assert zone.key == "example.com/zone"
    assert res.capabilities == {"example.com/zone": "a"}
    assert zone.get(res, "x") == "a"
    assert CapabilityKey("", "zone", str).key == "zone"
    assert zone == CapabilityKey("example.com", "zone", str)
    assert len({zone, CapabilityKey("example.com", "zone", str)}) == 1


def test_a_capability_of_another_type_is_refused() -> None:
    count = CapabilityKey("example.com", "count", int)
    with pytest.raises(TypeError, match=r"capability `example\.com/count` is a str, not a int") as caught:
        count.set(Resource(1, 0, 10), "3")  # type: ignore[arg-type]  # wrong on purpose
    assert isinstance(caught.value, TorchXError)
    with pytest.raises(TypeError, match=r"`example\.com/count`"):
        count.get(Resource(1, 0, 10, capabilities={"example.com/count": None}))


def test_a_capability_may_be_a_container() -> None:
    names = CapabilityKey("", "names", list[str])
    res = Resource(1, 0, 10)
    names.set(res, ["a"])
    assert names.get(res) == ["a"]
