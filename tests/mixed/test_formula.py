"""The formula room: what it reads, what it refuses, and that a refused call never runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed import formula as formula_module
from alliance_analysis.mixed.formula import RandomTerm, evaluate_columns, parse_formula, plain_names
from alliance_analysis.mixed.tokens import FUNCTIONS

ALLOWED = "names, numbers and + - * : / ** | ( ) , ~ are. Compute anything else as a column first."
FUNCTION_LIST = "C, I, bs, center, exp, log, poly, scale, sqrt are. Compute it as a column first."
TILDE = "formula: one ~ must stand between outcome and terms. Write 'outcome ~ terms + (1 | group)'."
FRAME = pd.DataFrame({"x": [1.0, 2.0, 3.0, 5.0], "z": [0.0, 1.0, 0.0, 1.0], "mode": ["b", "a", "b", "c"]})


def refusal(formula: object) -> str:
    with pytest.raises(ModelError) as caught:
        parse_formula(formula)  # type: ignore[arg-type]
    return str(caught.value)


def test_parts_of_a_three_level_formula() -> None:
    formula = parse_formula("log(y) ~ time*x + I(x**2) + (1 + time | client) + (1 || therapist)")
    assert formula.response == "log ( y )"
    assert formula.fixed == "time * x + I ( x ** 2 )"
    assert formula.random == (
        RandomTerm("1 + time", ("client",), True),
        RandomTerm("1", ("therapist",), False),
    )
    assert formula.columns == ("y", "time", "x", "client", "therapist")
    assert formula.group_columns == ("client", "therapist")


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("a", ["a"]),
        ("a:b", ["a:b"]),
        ("a/b", ["a", "a:b"]),
        ("a/b/c", ["a", "a:b", "a:b:c"]),
        ("a:b/c", ["a:b", "a:b:c"]),
    ],
)
def test_nested_groups_become_one_term_per_level(group: str, names: list[str]) -> None:
    assert [term.name for term in parse_formula(f"y ~ 1 + (1 | {group})").random] == names


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("y ~ (1 | g)", "1"),
        ("y ~ (1 | g) + x", "x"),
        ("y ~ x + (1 | g) - 1", "x - 1"),
        ("y ~ 0 + x + (1 | g)", "0 + x"),
        ("y ~ -1 + x + (1 | g)", "- 1 + x"),
        ("y ~ (x + z)**2 + (1 | g)", "( x + z ) ** 2"),
    ],
)
def test_fixed_part_keeps_its_signs_when_random_terms_leave(text: str, fixed: str) -> None:
    assert parse_formula(text).fixed == fixed


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("os.system('touch {})')", "formula: '.' is not allowed (at '.system('"),
        ("__import__('os')", "formula: '_' is not allowed (at '__import__("),
        ('pd.read_csv("/etc/passwd")', "formula: '.' is not allowed (at '.read_csv("),
        ("eval(x)", f"formula: eval() is not allowed; {FUNCTION_LIST}"),
        ("open(x)", f"formula: open() is not allowed; {FUNCTION_LIST}"),
        ("I(exec(x))", f"formula: exec() is not allowed; {FUNCTION_LIST}"),
        ("log (getattr (x))", f"formula: getattr() is not allowed; {FUNCTION_LIST}"),
        ("offset(x)", f"formula: offset() is not allowed; {FUNCTION_LIST}"),
        ("{x}", "formula: '{' is not allowed"),
        ("`x`", "formula: '`' is not allowed"),
        ("x[0]", "formula: '[' is not allowed"),
        ("C(x, 'a')", 'formula: "\'" is not allowed'),
        ("x; y", "formula: ';' is not allowed"),
        ("x == z", "formula: 'x =' is not allowed; the named arguments are degree and df."),
        ("x < z", "formula: '<' is not allowed"),
        ("x % z", "formula: '%' is not allowed"),
        ("x @ z", "formula: '@' is not allowed"),
    ],
)
def test_hostile_terms_are_refused_wherever_they_stand(call: str, message: str, tmp_path: Path) -> None:
    planted = tmp_path / "ran"
    call = call.replace("{}", str(planted)) if "touch" in call else call
    places = (f"y ~ {call} + (1 | g)", f"y ~ x + (1 + {call} | g)", f"y ~ x + (1 | {call})", f"{call} ~ x + (1 | g)")
    assert [refusal(text).startswith(message) for text in places] == [True] * 4
    assert not planted.exists()


def test_message_for_a_forbidden_character_is_whole() -> None:
    assert refusal("y ~ x + os.system + (1 | g)") == f"formula: '.' is not allowed (at '.system + (1 | g)'); {ALLOWED}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "formula: '' is not a formula. Write for example 'symptoms ~ time + (1 | client)'."),
        (None, "formula: None is not a formula. Write for example 'symptoms ~ time + (1 | client)'."),
        ("y ~ x", "formula: it has no random term. Add one, for example '+ (1 | client)'."),
        ("y + (1 | g)", TILDE),
        ("~ x + (1 | g)", TILDE),
        ("y ~ x ~ z + (1 | g)", TILDE),
        ("y ~ x + (1 | g", "formula: the parentheses do not match. Close each ( with a )."),
        ("y ~ x) + (1 | g", "formula: the parentheses do not match. Close each ( with a )."),
        ("y ~ x + + (1 | g)", "formula: a + or - has no term after it. Add the term or take the sign away."),
        ("y ~ x + 1 | g", "formula: '1 | g' is not a random term. Write each as '+ (terms | group)'."),
        ("y ~ x - (1 | g)", "formula: '( 1 | g )' is not a random term. Write each as '+ (terms | group)'."),
        ("y ~ (1 | g):x", "formula: '( 1 | g ) : x' is not a random term. Write each as '+ (terms | group)'."),
        ("y ~ x + (1 | g/)", "formula: '(1 | g /)' ends before its group. Add the grouping column."),
        (
            "y ~ x + (1 | log(g))",
            "formula: '(1 | log ( g ))' is not a random term; groups are columns joined by ':' or '/'. "
            "Write for example '(1 + time | therapist/client)'.",
        ),
        ("y ~ x**99 + (1 | g)", "formula: the power '99' is not allowed; whole numbers from 1 to 10 are."),
        ("y ~ x**z + (1 | g)", "formula: the power 'z' is not allowed; whole numbers from 1 to 10 are."),
        ("y ~ I(x, to=z) + (1 | g)", "formula: 'to =' is not allowed; the named arguments are degree and df."),
        ("(y | g) ~ x + (1 | g)", "formula: a random term stands left of ~. Move it to the right-hand side."),
        ("y ~ x" + " + x" * 700 + " + (1 | g)", "formula: it has 2815 characters; at most 2000 are read. Shorten it."),
        ("y ~ x time + (1 | g)", "formula: no operator stands between 'x' and 'time'. Write + between terms."),
        ("y ~ x.1 + (1 | g)", "formula: no operator stands between 'x' and '.1'. Write + between terms."),
        ("y ~ x + (1 | g h)", "formula: no operator stands between 'g' and 'h'. Write + between terms."),
        ("y ~ x, time + (1 | g)", "formula: a comma is allowed in bs and poly only. Write + between terms."),
        ("y ~ log(x, z) + (1 | g)", "formula: a comma is allowed in bs and poly only. Write + between terms."),
        (
            "y ~ 1:x + (1 | g)",
            "formula: the number 1 stands beside an operator for columns. Write I(...) to compute.",
        ),
        ("y ~ bs(x, df=100000) + (1 | g)", "formula: bs() with 100000 columns; at most 50 are allowed."),
        (
            "y ~ " + "*".join(f"x{i}" for i in range(16)) + " + (1 | g)",
            "formula: 'x0 * x1 * x2 * x3 * x4 * x5 * x6 * x7 * x8 * x9 * x10 * x11 ' stands for up to 65535 terms; at most "
            "1500 are allowed. Name the interactions you need with ':'.",
        ),
        (
            "y ~ " + "(" * 21 + "x" + ")" * 21 + " + (1 | g)",
            "formula: parentheses are nested more than 20 deep. Compute a column first.",
        ),
    ],
)
def test_refusals_say_what_is_wrong_and_what_to_do(text: object, message: str) -> None:
    assert refusal(text) == message


@given(st.text(alphabet="xyzg01 +-*:/|()~,._'\"[]{}`@=^%", max_size=40))
def test_any_text_is_either_read_or_refused_with_a_model_error(text: str) -> None:
    try:
        formula = parse_formula(text)
    except ModelError as error:
        assert str(error).startswith("formula: ")
    else:
        assert formula.random
        assert set(formula.group_columns) <= set(formula.columns)


def test_numeric_terms_and_interactions_are_products() -> None:
    names, matrix = evaluate_columns("x * z + I(x ** 2)", FRAME)
    assert names == ("(Intercept)", "x", "z", "x:z", "I(x ** 2)")
    x, z = FRAME["x"], FRAME["z"]
    np.testing.assert_array_equal(matrix, np.column_stack([np.ones(4), x, z, x * z, x**2]))


def test_text_columns_become_treatment_contrasts_with_the_first_sorted_level_as_reference() -> None:
    names, matrix = evaluate_columns("mode", FRAME)
    assert names == ("(Intercept)", "mode[b]", "mode[c]")
    np.testing.assert_array_equal(matrix[:, 1:], [[1, 0], [0, 0], [1, 0], [0, 1]])


def test_without_intercept_a_factor_has_a_column_per_level() -> None:
    assert evaluate_columns("0 + mode", FRAME)[0] == ("mode[a]", "mode[b]", "mode[c]")


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in ("C", "bs", "poly")])
def test_functions_on_the_allow_list_give_one_finite_column(name: str) -> None:
    names, matrix = evaluate_columns(f"0 + {name}(x)", FRAME)
    assert names == (f"{name}(x)",)
    assert np.isfinite(matrix).all()


@pytest.mark.parametrize(("term", "columns"), [("poly(x, 2)", 2), ("bs(x, df=4)", 4), ("C(z)", 1)])
def test_functions_with_several_columns(term: str, columns: int) -> None:
    assert evaluate_columns(term, FRAME)[1].shape == (4, 1 + columns)


def test_a_term_formulae_cannot_read_is_a_model_error_and_prints_nothing(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(ModelError) as caught:
        evaluate_columns("2 * x", FRAME)
    assert str(caught.value) == "formula: '2 * x' cannot be evaluated (2). Check its terms one by one."
    assert capsys.readouterr().out == ""


def test_columns_that_cannot_be_named_are_refused() -> None:
    frame = pd.DataFrame({"arm": list("abab"), "x": [1.0, 2.0, 4.0, 3.0]})
    with pytest.raises(ModelError) as caught:
        evaluate_columns("arm / x", frame)
    assert str(caught.value) == (
        "formula: 'arm / x' has no clear columns. Write each term, as in 'a + a:b' for 'a / b'."
    )


def test_names_of_the_callers_scope_are_not_seen() -> None:
    secret = FRAME["x"]
    assert secret is not None
    with pytest.raises(ModelError, match="'secret' cannot be evaluated"):
        evaluate_columns("secret", FRAME)


@pytest.mark.parametrize(
    "expression",
    ["1", "a", "0 + a", "1 + a + b", "b + a + b : a", "a : b : c", "0 + a + b + a : b + b : c", "a + b : c + a : d"],
)
def test_plain_sums_of_columns_are_what_formulae_makes_of_them(
    expression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({name: rng.standard_normal(6) for name in "abcd"})
    assert plain_names(expression, frame) is not None
    names, matrix = evaluate_columns(expression, frame)
    monkeypatch.setattr(formula_module, "plain_names", lambda *_: None)
    expected_names, expected = evaluate_columns(expression, frame)
    assert names == expected_names
    np.testing.assert_array_equal(matrix, expected)


@pytest.mark.parametrize(
    "expression", ["a + a", "a * b", "a : b + a", "log(a)", "a : a", "mode", "0", "a - 1", "2 + a"]
)
def test_everything_else_is_left_to_formulae(expression: str) -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [0.5, 4.0], "mode": ["x", "y"]})
    assert plain_names(expression, frame) is None
