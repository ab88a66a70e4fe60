from __future__ import annotations

import pytest

from apps.mail.rendering.branches import TooManyBranchesError, UnbalancedError, go, ways
from apps.mail.rendering.tags import protect


def shown(source: str) -> set[str]:
    template = protect(source)
    return {go(template, way) for way in ways(template)}


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ("plain", {"plain"}),
        ("{% if a %}A{% endif %}", {"A", ""}),
        ("{% if a %}A{% elsif b %}B{% else %}C{% endif %}", {"A", "B", "C"}),
        ("{% unless a %}A{% else %}B{% endunless %}", {"A", "B"}),
        ("{% case a %} no {% when 1 %}A{% when 2 %}B{% endcase %}", {"A", "B", ""}),
        ("{% for a in b %}A{% endfor %}", {"A", "AA", ""}),
        ("{% for a in b %}A{% else %}B{% endfor %}", {"A", "AA", "B"}),
        ("{% capture a %}A{% endcapture %}B", {"B"}),
        ("{% assign a = 1 %}{{ a }}{{ b }}{{ a }}", {"v1vv2vv1v"}),
        ("{% ifchanged %}A{% endifchanged %}", {"A", ""}),
    ],
)
def test_ways_show_every_branch(source: str, texts: set[str]) -> None:
    assert shown(source) == texts


def test_ways_show_branches_within_branches() -> None:
    inner = "{% if b %}1{% else %}2{% endif %}"

    texts = shown(
        f"{{% unless a %}}{inner}{{% else %}}x{{% if c %}}3{{% endif %}}{{% endunless %}}"
    )

    assert {"1", "2", "x", "x3"} <= texts


def test_ways_of_a_flat_template_are_few() -> None:
    template = protect("{% if a %}A{% endif %}{% for a in b %}B{% endfor %}" * 30)

    assert len(ways(template)) <= 8


def test_deep_loops_are_not_doubled_at_each_level() -> None:
    template = protect("{% for a in b %}" * 12 + "x" + "{% endfor %}" * 12)

    assert max(len(go(template, way)) for way in ways(template)) == 8


@pytest.mark.parametrize(
    "text", ["{% if a %}", "{% endif %}", "{% else %}", "{% if a %}{% endfor %}{% endif %}"]
)
def test_tags_that_do_not_match_are_found(text: str) -> None:
    with pytest.raises(UnbalancedError):
        ways(protect(text))


def test_more_branches_than_can_be_compared_are_told() -> None:
    many = "".join(f"{{% when {number} %}}{number}" for number in range(30))

    with pytest.raises(TooManyBranchesError):
        ways(protect(f"{{% case a %}}{many}{{% endcase %}}"))
