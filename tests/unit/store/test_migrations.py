"""The migrations as files."""

from keelstep.store import migrate


def test_migrations_are_numbered_from_one_without_a_gap() -> None:
    """Their order is their number."""
    assert [each.number for each in migrate.load()] == list(range(1, len(migrate.load()) + 1))


def test_a_migrations_digest_changes_with_every_character() -> None:
    """That is how an edit is found."""
    first = migrate.load()[0]
    edited = migrate.Migration(number=first.number, name=first.name, sql=first.sql + " ")
    assert edited.sha256 != first.sha256
