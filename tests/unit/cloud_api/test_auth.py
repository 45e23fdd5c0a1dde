from inspect import iscoroutinefunction

import jwt
import pytest

from cloud_api.auth import Principal, Tokens, all_organizations, at_least
from cloud_api.query import known_parameters
from iotsphere.errors import Unauthenticated

SECRET = b"a secret that is long enough for it"
ANN = Principal("ann", "operator", "demo", False, "family")


def claims_of(token: str) -> dict[str, object]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def test_a_token_comes_back_as_it_went() -> None:
    tokens = Tokens(SECRET, lambda: 1000.0)
    found = tokens.verify(tokens.issue(ANN, 60))
    assert found == Principal("ann", "operator", "demo", False, "family", 1060.0)


def test_it_ends_with_its_second() -> None:
    now = [1000.0]
    tokens = Tokens(SECRET, lambda: now[0])
    token = tokens.issue(ANN, 60)
    now[0] = 1059.9
    tokens.verify(token)
    now[0] = 1060.0
    with pytest.raises(Unauthenticated, match="run out"):
        tokens.verify(token)


def test_a_signature_is_looked_at_once_and_only_of_the_very_same_text(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, looked_at = Tokens(SECRET, lambda: 1000.0), []
    decode = jwt.decode
    monkeypatch.setattr(jwt, "decode", lambda token, *args, **options: looked_at.append(token) or decode(token, *args, **options))
    token = tokens.issue(ANN, 60)
    assert [tokens.verify(token) for _ in range(3)] == [tokens.verify(token)] * 3
    assert looked_at == [token]
    for wrong in (token[:-1], token + "A", token.swapcase()):
        for _ in range(2):  # what is refused is not remembered as good
            with pytest.raises(Unauthenticated):
                tokens.verify(wrong)
    assert len(looked_at) == 7


def test_guards_take_no_thread() -> None:
    assert all(iscoroutinefunction(guard) for guard in (at_least("viewer"), all_organizations, known_parameters))


@pytest.mark.parametrize(
    "change", [{"role": "root"}, {"aud": "other"}, {"iss": "other"}, {"exp": None}, {"org": None}, {"sub": None}, {"role": None}]
)
def test_a_wrong_claim_makes_it_none(change: dict[str, str | None]) -> None:
    tokens = Tokens(SECRET, lambda: 1000.0)
    claims = {**claims_of(tokens.issue(ANN)), **change}
    forged = jwt.encode({k: v for k, v in claims.items() if v is not None}, SECRET, algorithm="HS256")
    with pytest.raises(Unauthenticated):
        tokens.verify(forged)


@pytest.mark.parametrize(
    ("algorithm", "key"), [("none", ""), ("HS512", SECRET * 2), ("HS256", b"another secret, as long as ours is")]
)
def test_only_our_signature_counts(algorithm: str, key: bytes) -> None:
    tokens = Tokens(SECRET, lambda: 1000.0)
    with pytest.raises(Unauthenticated):
        tokens.verify(jwt.encode(claims_of(tokens.issue(ANN)), key, algorithm=algorithm))


@pytest.mark.parametrize("text", ["", "x", "x.y.z", "a" * 10_000])
def test_what_is_no_token(text: str) -> None:
    with pytest.raises(Unauthenticated):
        Tokens(SECRET).verify(text)


def test_roles_rank() -> None:
    assert ANN.has("viewer")
    assert ANN.has("operator")
    assert not ANN.has("admin")
    assert (ANN.sees("demo"), ANN.sees("default"), ANN.scope) == (True, False, "demo")
    root = Principal("root", "admin", "default", True)
    assert (root.sees("demo"), root.scope) == (True, "*")
