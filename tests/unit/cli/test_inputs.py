"""Do `--input` pairs become what the strategy's slots want?"""

import pytest

from keelstep.cli import exits
from keelstep.cli.commands import run
from keelstep.kube import Object

STRATEGY: Object = {
    "spec": {
        "prompt": {
            "slots": [
                {"name": "customer"},
                {"name": "order", "type": "integer"},
                {"name": "vip", "type": "boolean"},
                {"name": "tags", "type": "array"},
                {"name": "address", "type": "object"},
            ]
        }
    }
}

FITTING = {
    "text stays text, whatever it looks like": ("customer=42", {"customer": "42"}),
    "text may hold an equals sign": ("customer=a=b", {"customer": "a=b"}),
    "text may be empty": ("customer=", {"customer": ""}),
    "a whole number": ("order=1042", {"order": 1042}),
    "a truth value": ("vip=true", {"vip": True}),
    "a list": ('tags=["a"]', {"tags": ["a"]}),
    "an object": ('address={"city": "Berlin"}', {"address": {"city": "Berlin"}}),
}


@pytest.mark.parametrize("case", FITTING)
def test_a_value_takes_its_slots_type(case: str) -> None:
    """Text for a string slot, JSON for any other."""
    pair, wanted = FITTING[case]
    assert run.parse_inputs(run.split_inputs([pair]), STRATEGY) == wanted


MISTAKES = {
    "no pair": (["Ada"], "expected name=value"),
    "no name": (["=Ada"], "expected name=value"),
    "twice": (["customer=Ada", "customer=Bo"], "customer is given twice"),
    "no slot": (["who=Ada"], "the strategy has no slot 'who'; it has customer, order, vip, tags, address"),
    "text for a number": (["order=ten"], "--input order: the slot is of type integer, 'ten' is not"),
    "a fraction for a whole number": (["order=1.5"], "the slot is of type integer"),
    "a truth value for a number": (["order=true"], "the slot is of type integer"),
    "a number for a truth value": (["vip=1"], "the slot is of type boolean"),
    "an object for a list": (["tags={}"], "the slot is of type array"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_what_does_not_fit_is_a_usage_error(case: str) -> None:
    """Exit 2, and the message names the slot and the fix."""
    pairs, message = MISTAKES[case]
    with pytest.raises(exits.Ended) as caught:
        run.parse_inputs(run.split_inputs(pairs), STRATEGY)
    assert message in caught.value.message
    assert caught.value.code is exits.Exit.USAGE


def test_without_a_look_at_the_strategy_json_is_tried() -> None:
    """Who may start runs but not read strategies still can; the operator checks the slots anyway."""
    assert run.parse_inputs([("order", "1042"), ("customer", "Ada")], None) == {
        "order": 1042,
        "customer": "Ada",
    }


def test_a_slot_that_must_have_a_value_is_asked_for() -> None:
    """Exit 2 with its name and type, before a run is there that could not start; an optional slot may be left out."""
    slots = [{"name": "customer"}, {"name": "order", "type": "integer"}, {"name": "vip", "optional": True}]
    strategy: Object = {"spec": {"prompt": {"slots": slots}}}
    with pytest.raises(exits.Ended) as caught:
        run.check_whole({"customer": "Ada"}, strategy)
    assert (caught.value.code, "--input: order is missing (integer)" in caught.value.message) == (2, True)
    run.check_whole({"customer": "Ada", "order": 1}, strategy)
