//! `msrp-tune show` on hosts recorded in `tests/fixtures`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// Lays a recorded host out as a tree of files, one tree for each test, since they run together.
fn unpack(fixture: &str, test: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(fixture);
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(&root).unwrap();
    for line in fs::read_to_string(recorded).unwrap().lines() {
        if line.starts_with('#') {
            continue;
        }
        let (path, text) = line.split_once(':').unwrap();
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let before = fs::read_to_string(&file).unwrap_or_default();
        fs::write(&file, format!("{before}{text}\n")).unwrap();
    }
    root
}

fn show(root: &Path, config: Option<&str>, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_msrp-tune"));
    command.arg("show").arg("--root").arg(root).args(more);
    if let Some(text) = config {
        let file = root.join("node.toml");
        fs::write(&file, text).unwrap();
        command.arg("--config").arg(file);
    }
    command.output().unwrap()
}

fn json(root: &Path, config: Option<&str>) -> Value {
    let output = show(root, config, &["--json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn pinned(report: &Value) -> Vec<u64> {
    report["plan"]["pins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pin| pin["cpu"].as_u64().unwrap())
        .collect()
}

fn warnings<'a>(report: &'a Value, kind: &str) -> Vec<&'a Value> {
    let all = report["plan"]["warnings"].as_array().unwrap();
    all.iter().filter(|warning| warning["kind"] == kind).collect()
}

#[test]
fn a_laptop_is_told_of_its_threads_and_its_slow_cores() {
    let report = json(&unpack("laptop.txt", "laptop"), None);
    assert_eq!(pinned(&report), [0, 1, 2, 3, 4, 5, 6, 7]);
    let shared: Vec<_> =
        warnings(&report, "shares-physical-core").iter().map(|each| each["cpus"].clone()).collect();
    assert_eq!(shared, [serde_json::json!([0, 1]), serde_json::json!([2, 3])]);
    let [speeds] = warnings(&report, "mixed-speeds")[..] else { panic!("{report}") };
    assert_eq!((&speeds["slowest_mhz"], &speeds["fastest_mhz"]), (&3300.into(), &4400.into()));
    assert_eq!(warnings(&report, "nothing-left").len(), 1);
    assert_eq!(report["host"]["process"]["quota"], "unlimited");
    assert_eq!(report["host"]["isolation"]["isolated"], serde_json::json!([]));
    assert_eq!(report["host"]["isolation"]["nohz_full"], serde_json::json!([]));
    // The handlers are named after the driver, so only the vectors tell whose they are.
    let wireless = &report["host"]["interfaces"][1];
    assert_eq!(wireless["interrupts"][0]["name"], "iwlwifi:default_queue");
    assert_eq!(wireless["interrupts"][0]["count"], 61402);
    assert_eq!(wireless["node"], Value::Null);
}

#[test]
fn an_isolated_pair_on_a_server_is_praised_but_for_the_interrupt_that_hits_it() {
    let root = unpack("server.txt", "server_listed");
    let report = json(&root, Some("[node]\ncores = [2, 3, 6]\n"));
    assert_eq!(pinned(&report), [2, 3, 6]);
    assert_eq!(
        report["plan"]["pins"][0]["why"],
        "listed, isolated, without timer tick, shares its physical core with 10, node 0"
    );
    let [interrupts] = warnings(&report, "takes-interrupts")[..] else { panic!("{report}") };
    assert_eq!((&interrupts["cpu"], &interrupts["interface"]), (&2.into(), &"ens1f0".into()));
    assert_eq!(interrupts["interrupts"], serde_json::json!([67]));
    assert_eq!(warnings(&report, "spans-nodes")[0]["nodes"], serde_json::json!([0, 1]));
    assert_eq!(warnings(&report, "isolated-unused").len(), 1);
    for absent in ["shares-physical-core", "not-isolated", "nothing-left", "few-receive-queues"] {
        assert!(warnings(&report, absent).is_empty(), "{absent}: {report}");
    }
}

#[test]
fn a_server_without_a_list_is_told_which_cpus_wait_for_one() {
    let report = json(&unpack("server.txt", "server_auto"), None);
    assert_eq!(pinned(&report).len(), 16);
    let not_isolated = &warnings(&report, "not-isolated")[0]["cpus"];
    assert_eq!(*not_isolated, serde_json::json!([0, 1, 4, 5, 8, 9, 12, 13]));
    assert_eq!(warnings(&report, "few-receive-queues")[0]["queues"], 4);
    assert_eq!(warnings(&report, "takes-steered-packets")[0]["cpu"], 10);
    let host = &report["host"];
    assert_eq!(host["isolation"]["housekeeping"], *not_isolated);
    assert_eq!(host["nodes"][1]["memory_bytes"], 66_048_276_u64 * 1024);
    assert_eq!((&host["cpus"][12]["node"], &host["cpus"][12]["package"]), (&1.into(), &1.into()));
    assert_eq!(host["interfaces"][0]["transmit_queues"][3]["cpus"], serde_json::json!([2]));
}

#[test]
fn cores_far_from_the_interface_are_named() {
    let report = json(&unpack("server.txt", "server_far"), Some("[node]\ncores = [6, 7]\n"));
    let [far] = warnings(&report, "far-from-interface")[..] else { panic!("{report}") };
    assert_eq!((&far["interface"], &far["node"]), (&"ens1f0".into(), &0.into()));
    assert!(warnings(&report, "takes-interrupts").is_empty());
}

#[test]
fn a_container_is_told_that_its_time_is_short() {
    let report = json(&unpack("container.txt", "container"), None);
    assert_eq!(pinned(&report), [0, 1, 2, 3]);
    assert_eq!(report["host"]["process"]["quota"]["cpus"], 1.5);
    assert_eq!(warnings(&report, "quota-too-small")[0]["quota"], "1.50");
    assert!(warnings(&report, "few-receive-queues").is_empty(), "a virtual interface has no say");
}

#[test]
fn what_the_node_will_refuse_comes_first() {
    let root = unpack("container.txt", "container_refused");
    let report = json(&root, Some("[node]\ncores = [1, 9, 1]\n"));
    let kinds: Vec<_> =
        report["plan"]["warnings"].as_array().unwrap().iter().map(|each| &each["kind"]).collect();
    assert_eq!(kinds[..2], ["absent", "listed-twice"]);
}

#[test]
fn a_host_that_tells_nothing_is_unknown_and_no_failure() {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nothing");
    fs::create_dir_all(&root).unwrap();
    let output = show(&root, None, &[]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("affinity mask       unknown\n"), "{text}");
    assert!(text.contains("the affinity mask is unknown"), "{text}");
}

#[test]
fn octets_of_any_kind_in_the_tree_are_no_failure() {
    let root = unpack("server.txt", "garbage");
    let garbage: [&[u8]; 4] = [b"", b"\xff\xfe\x00", b"99999999999999999999\n", b"0-4294967295\n"];
    let files = [
        "sys/devices/system/cpu/isolated",
        "sys/devices/system/cpu/online",
        "sys/devices/system/node/node0/meminfo",
        "sys/class/net/ens1f0/queues/rx-0/rps_cpus",
        "proc/interrupts",
        "proc/self/status",
        "proc/self/cgroup",
        "sys/fs/cgroup/system.slice/cpu.max",
    ];
    for (index, file) in files.iter().enumerate() {
        for octets in garbage {
            fs::write(root.join(file), octets).unwrap();
            let output = show(&root, None, if index % 2 == 0 { &[] } else { &["--json"] });
            assert!(output.status.success(), "{file} {octets:?}: {output:?}");
        }
    }
}

#[test]
fn the_page_for_people_lines_its_columns_up() {
    let root = unpack("server.txt", "server_page");
    let output = show(&root, Some("[node]\ncores = [2, 3]\n"), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "  cpu  siblings  package  node  L3 shared by  max MHz  state",
        "  2    2,10      0        0     0-3,8-11      3500     allowed, isolated, no tick",
        "  0     0-3,8-11   62.7 GiB  49.6 GiB",
        "  ens1f0: device on node 0, 25000 Mbit/s, 4 receive and 4 transmit queues",
        "    67   ens1f0-TxRx-3  2          2        903333",
        "  - CPU 2 takes interrupts of ens1f0 (67)",
    ] {
        assert!(text.lines().any(|shown| shown == line), "no line {line:?} in\n{text}");
    }
}

#[test]
fn a_configuration_that_cannot_be_used_is_one_line_and_status_2() {
    let root = unpack("container.txt", "container_config");
    for config in ["[node]\ncores = \"all\"\n", "[node]\ncores = 7\n", "["] {
        let output = show(&root, Some(config), &[]);
        assert_eq!(output.status.code(), Some(2), "{config}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let mut missing = Command::new(env!("CARGO_BIN_EXE_msrp-tune"));
    let output = missing.args(["show", "--config"]).arg(root.join("none.toml")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_kernel_that_does_not_list_what_it_isolated_is_read_by_its_arguments() {
    let root = unpack("server.txt", "server_arguments");
    for file in ["isolated", "nohz_full"] {
        fs::remove_file(root.join("sys/devices/system/cpu").join(file)).unwrap();
    }
    let isolation = json(&root, None)["host"]["isolation"].clone();
    assert_eq!(isolation["isolated"], serde_json::json!([2, 3, 6, 7, 10, 11, 14, 15]));
    assert_eq!(isolation["nohz_full"], isolation["isolated"]);
}
