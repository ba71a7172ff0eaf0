"""Do two servers of a test run ever get one port?"""

from keelstep.testing import ports


def test_picked_ports_are_free_and_different() -> None:
    """And below the range that the kernel gives to outgoing connections."""
    picked = ports.pick(6)
    assert len(set(picked)) == 6
    assert all(ports.is_free(port) and port < 32_768 for port in picked)


def test_a_port_is_not_picked_twice() -> None:
    """Whoever got it may bind it later than the next one is picked."""
    picked = [ports.one() for _ in range(500)]
    assert len(set(picked)) == len(picked)


def test_processes_of_one_run_pick_from_shares_of_their_own() -> None:
    """Together they have what one alone would have."""
    shares = [set(ports.mine(f"gw{number}")) for number in range(ports.SHARES)]
    assert sorted(port for share in shares for port in share) == list(ports.mine(""))
