"""A prompt template uses what it declares, says the same everywhere, and fails with a sentence."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelstep.domain import template

REFUSED = {
    "an undeclared variable": "{{ customer }}",
    "a syntax error": "{% if goal %}",
    "an unknown tag": "{% raise %}",
    "an unknown filter": "{{ goal | nope }}",
    "a random filter": "{{ [1, 2] | random }}",
    "a random text": "{{ lipsum() }}",
    "nesting that cannot be parsed": "{{ " + "(" * 3000 + "goal" + ")" * 3000 + " }}",
    "loops that Python cannot compile": "{% for i in [1] %}" * 40 + "{% endfor %}" * 40,
    "a number without end": "{{ " + "9" * 5000 + " }}",
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_template_is_refused_when_it_is_applied_for(case: str) -> None:
    """What could never be rendered is found before any run begins."""
    with pytest.raises(template.TemplateError, match=r".+"):
        template.check(REFUSED[case], [])


ENDLESS = {
    "a number": "{{ 9 ** (9 ** 9) }}",
    "a text": "{{ 'a' | center(10 ** 11) | length }}",
    "a text with an amount": "{{ '%99999999999d' | format(1) }}",
    "a list": "{{ range(10 ** 9) | list }}",
    "a variable": "{% set x = 9 ** (9 ** 9) %}",
    "a condition": "{% if 9 ** (9 ** 9) %}{% endif %}",
    "a loop": "{% for i in [9 ** (9 ** 9)] %}{% endfor %}",
    "another template": "{% include 'x' * 10 ** 11 %}",
    "a default": "{% macro m(x = 9 ** (9 ** 9)) %}{% endmacro %}",
}


@pytest.mark.parametrize("case", ENDLESS)
def test_what_a_template_says_is_not_worked_out_when_it_is_applied(case: str) -> None:
    """The operator checks everybody's templates; what this one costs is for its own run to bear."""
    template.check(ENDLESS[case], [])


def test_a_template_may_use_its_slots_and_the_goal() -> None:
    """And Jinja2's own functions and filters."""
    template.check("{{ goal | upper }}{% for i in range(3) %}{{ slot }}{% endfor %}", ["slot"])


FAILS = {
    "a missing variable": "{{ other }}",
    "a missing field": "{{ goal.customer.name }}",
    "a forbidden attribute": "{{ goal.__class__ }}",
    "a division by zero": "{{ 1 / 0 }}",
    "a range without end": "{% for i in range(10 ** 9) %}{% endfor %}",
    "a macro without end": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "a format that does not fit": "{{ '{x}'.format() }}",
    "another file": "{% include 'secrets' %}",
    "a filter's wrong use": "{{ goal | batch }}",
    "a method nobody called": "{{ goal.upper }}",
    "a generator nobody listed": "{{ [goal] | map('upper') }}",
    "a function": "{{ range }}",
    "itself": "{{ self }}",
}


@pytest.mark.parametrize("case", FAILS)
def test_a_template_that_cannot_be_rendered_fails_with_a_sentence(case: str) -> None:
    """Never with an error of Jinja2's or Python's own, and never with an address of this process in the prompt."""
    with pytest.raises(template.TemplateError, match=r".+"):
        template.render(FAILS[case], {"goal": "help"})


def test_values_are_put_in_as_they_are() -> None:
    """No escaping: the model reads text, not HTML; the final line break stays."""
    assert template.render("{{ goal }}\n", {"goal": "<a> & {{ b }}"}) == "<a> & {{ b }}\n"


def test_lists_objects_and_nothing_can_be_printed() -> None:
    """Inputs are JSON."""
    assert template.render("{{ goal }}", {"goal": {"a": [1, None, True]}}) == "{'a': [1, None, True]}"


@given(st.text(max_size=40))
def test_any_text_is_a_template_or_an_error(source: str) -> None:
    """Checking and rendering agree and raise nothing else."""
    try:
        template.check(source, [])
    except template.TemplateError:
        with pytest.raises(template.TemplateError):
            template.render(source, {})
        return
    with contextlib.suppress(template.TemplateError):
        assert isinstance(template.render(source, {"goal": "x"}), str)
