"""Are a containerd node's addresses, configuration and preconditions what they claim? Nothing is started."""

import json
import os
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

from hack.cluster import addresses, certificates, components, errors, files, settings
from hack.cluster.containerd import archive, cgroups, configuration, requirements

NETWORK = addresses.of_block("10.150")


def test_a_cluster_keeps_its_addresses_and_takes_none_in_use(tmp_path: Path) -> None:
    """Neither a network this machine knows nor one that another cluster will want again."""
    other = tmp_path / "other"
    files.write_json(other / addresses.FILE, {"block": addresses.BLOCKS[0]})
    in_use = [f"{block}.3.0/24" for block in addresses.BLOCKS[2:]]
    chosen = addresses.choose(tmp_path / "own", in_use, [other])
    assert chosen == addresses.of_block(addresses.BLOCKS[1])
    assert (
        addresses.choose(tmp_path / "own", ["10.0.0.0/8"], []) == chosen == addresses.load(tmp_path / "own")
    )
    with pytest.raises(errors.MissingPrerequisite, match="no free network"):
        addresses.choose(tmp_path / "late", ["10.0.0.0/8"], [])


def test_a_process_node_s_control_plane_stays_on_loopback(tmp_path: Path) -> None:
    """Nothing of it can be reached from elsewhere; with a Pod network the API server is at the wire's end."""
    ports = dict.fromkeys(components.PORTS, 1)
    programs = {name: Path(name) for name in components.CONTROL_PLANE}
    for network, bound, reconciles in (
        (addresses.LOOPBACK, "127.0.0.1", "none"),
        (NETWORK, "10.150.0.1", "lease"),
    ):
        plan = components.Plan(
            folder=tmp_path, programs=programs, ports=ports, is_durable=True, network=network
        )
        flags = components.build_argv(components.APISERVER, plan)
        assert f"--bind-address={bound}" in flags
        assert f"--endpoint-reconciler-type={reconciles}" in flags
        assert plan.server == f"https://{bound}:1"


def test_containerd_s_configuration_is_toml_whatever_the_paths(tmp_path: Path) -> None:
    """Quotes and backslashes of a path are no syntax."""
    told = configuration.containerd(tmp_path / 'a"b', tmp_path / "c\\d", "native")
    found = tomllib.loads(told)
    cri = found["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["cni"] == {"bin_dir": str(tmp_path / 'a"b'), "conf_dir": str(tmp_path / "c\\d")}
    assert cri["sandbox_image"] == archive.PAUSE
    assert cri["containerd"]["snapshotter"] == "native"


def test_nothing_of_the_node_listens_or_hands_out_beyond_its_block() -> None:
    """Every address stands in the block that was chosen for the cluster."""
    pair = certificates.Pair(certificate=Path("c"), key=Path("k"))
    kubelet = configuration.kubelet(NETWORK, 1, "group", pair, Path("ca"))
    proxy = configuration.proxy(NETWORK, Path("kubeconfig"))
    pods = configuration.pod_network(NETWORK)["plugins"][0]["ipam"]["ranges"]
    assert kubelet["address"] == kubelet["healthzBindAddress"] == NETWORK.node
    assert kubelet["clusterDNS"] == [NETWORK.node]
    assert proxy["clusterCIDR"] == NETWORK.pods
    assert pods == [[{"subnet": NETWORK.pods}]]
    assert f"bind {NETWORK.node}" in configuration.dns(NETWORK, Path("kubeconfig"))


def test_an_archive_is_an_image_of_one_program(tmp_path: Path) -> None:
    """As `docker save` writes it: manifest, configuration, one layer with the program that it runs."""
    program, target = tmp_path / "probe", tmp_path / "image.tar"
    program.write_bytes(b"\x7fELF")
    archive.write(program, "localhost/x:1", target)
    with tarfile.open(target) as image:
        (manifest,) = json.load(image.extractfile("manifest.json"))  # type: ignore[arg-type]
        config = json.load(image.extractfile(manifest["Config"]))  # type: ignore[arg-type]
        with tarfile.open(fileobj=image.extractfile(manifest["Layers"][0])) as layer:
            (entry,) = layer.getmembers()
    assert manifest["RepoTags"] == ["localhost/x:1"]
    assert (config["config"]["Entrypoint"], config["config"]["User"]) == (["/probe"], "65535:65535")
    assert (entry.name, entry.mode) == ("probe", 0o755)


@pytest.mark.parametrize("is_unified", [True, False])
def test_a_group_is_made_in_every_hierarchy_and_only_it_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_unified: bool
) -> None:
    """Version 1 has a tree per controller, version 2 one; what others made stays."""
    monkeypatch.setattr(cgroups, "MOUNTED", tmp_path)
    trees = [tmp_path] if is_unified else [tmp_path / "memory", tmp_path / "unified"]
    for tree in trees:
        (tree / "keelstep-other").mkdir(parents=True)
        (tree / "cgroup.procs").touch()
    if is_unified:
        (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
        (tmp_path / "cgroup.subtree_control").write_text("cpu\n")
    group = cgroups.name(tmp_path / "own")
    cgroups.create(group)
    for tree in trees:
        (tree / group / "kubepods" / "pod1").mkdir(parents=True)
    assert cgroups.exists(group)
    cgroups.remove(group)
    assert not cgroups.exists(group)
    assert all((tree / "keelstep-other").exists() for tree in trees)
    if is_unified:
        assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory"


def test_everything_that_is_missing_is_named_in_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command that brings it; nothing was started."""
    monkeypatch.setattr(requirements, "SYSTEM_PATH", str(tmp_path))
    monkeypatch.setattr(requirements, "PLUGIN_FOLDERS", (tmp_path,))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    configured = settings.read({"HOME": "/home/ada", "KEELSTEP_STATE": "/var/lib/keelstep"})
    with pytest.raises(errors.MissingPrerequisite) as missing:
        requirements.check(configured)
    said = str(missing.value)
    assert "sudo" in said
    assert (
        "apt-get install containerd containernetworking-plugins iproute2 iptables mount runc util-linux"
        in said
    )
    assert "KEELSTEP_STATE: the node cannot see /var/lib/keelstep" in said


def test_too_few_inotify_instances_are_named_before_a_kubelet_ends_for_them() -> None:
    """Where this user's others took them, or no more files may be open."""
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import resource; from hack.cluster.containerd import requirements\n"
            "resource.setrlimit(resource.RLIMIT_NOFILE, (10, 10)); requirements.check_watchers()",
        ],
        capture_output=True,
        text=True,
        check=False,
    ).stderr
    assert "MissingPrerequisite: inotify instances:" in told
    assert "a node takes 12" in told
    assert "fs.inotify.max_user_instances" in told
