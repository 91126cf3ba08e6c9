//! Segments, damage and bounds of the spool.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn step(class: Class, text: &str) -> Step {
    let lines = Lines { place: None, class, origin: Origin::default(), text: text.as_bytes().to_vec() };
    Step { lines: vec![lines], ..Step::default() }
}

fn file(offset: u64) -> FilePosition {
    let mut position = FilePosition { path: "/a".into(), ..FilePosition::default() };
    position.log.offset = offset;
    position
}

fn open(folder: &Path) -> Spool {
    Spool::open(folder, 1 << 20).expect("it opens")
}

fn texts(entries: &[Entry]) -> Vec<String> {
    let parts = entries.iter().flat_map(|entry| &entry.parts);
    parts
        .map(|part| format!("{}:{}", part.first, String::from_utf8(part.text()).expect("text").trim()))
        .collect()
}

#[test]
fn what_was_appended_is_there_after_a_crash_with_how_far_files_were_read() {
    let folder = tempfile::tempdir().expect("there is room");
    let spool = open(folder.path());
    for n in 1..=3 {
        let mut step = step(Class::Finding, &format!("{n}\n"));
        step.files.insert("1:1".to_owned(), Some(file(n)));
        spool.append(step).expect("it is written");
    }
    spool.acknowledge(1, Counts { accepted: 1, ..Counts::default() }).expect("it is noted");
    let agent = spool.state().agent;
    // As a killed process leaves it: nothing is saved, and the last write is torn.
    drop(spool);
    let segment = segment::numbers(&folder.path().join("spool")).expect("it lists")[0];
    let path = folder.path().join(format!("spool/{segment:012}.seg"));
    let torn = fs::read(&path).expect("it is there");
    fs::write(&path, &torn[..torn.len() - 3]).expect("it is written");
    let spool = open(folder.path());
    assert_eq!((spool.state().agent, spool.state().files["1:1"].log.offset), (agent, 2));
    // That the first was sent was not saved yet, so it is sent again, under the same number.
    assert_eq!(texts(&spool.next(100, SECOND).expect("it reads")), ["0:1", "1:2"]);
    spool.append(step(Class::Finding, "again\n")).expect("it is written");
    assert_eq!(texts(&spool.next(100, SECOND).expect("it reads")), ["0:1", "1:2", "2:again"]);
}

#[test]
fn a_second_agent_is_refused() {
    let folder = tempfile::tempdir().expect("there is room");
    let _first = open(folder.path());
    assert!(matches!(Spool::open(folder.path(), 1 << 20), Err(AgentError::InUse { .. })));
}

#[test]
fn profiles_go_before_findings_and_then_nothing_more_is_taken() {
    let folder = tempfile::tempdir().expect("there is room");
    let spool = Spool::open(folder.path(), 300 << 10).expect("it opens");
    // Chance does not compress.
    let noise = |seed: u64| {
        let mut text: String =
            (0..400).map(|n| blake3::hash(&(seed * 1000 + n).to_le_bytes()).to_hex().to_string()).collect();
        text.push('\n');
        text
    };
    let (mut findings, mut bulk, mut full) = (0, 0, false);
    for n in 0..200 {
        let class = if n % 2 == 0 { Class::Bulk } else { Class::Finding };
        match spool.append(step(class, &noise(n))) {
            Ok(()) if class == Class::Finding => findings += 1,
            Ok(()) => bulk += 1,
            Err(AgentError::Full { .. }) => {
                full = true;
                break;
            }
            Err(error) => panic!("{error}"),
        }
        assert!(spool.fill().bytes <= 300 << 10);
    }
    assert!(full && findings > 10, "{findings} findings");
    let (mut dropped, mut kept, mut last) = (0, 0, 0);
    loop {
        let entries = spool.next(64 << 10, Duration::ZERO).expect("it reads");
        let Some(end) = entries.last().map(|entry| entry.number) else { break };
        assert!(entries.iter().all(|entry| std::mem::replace(&mut last, entry.number) < entry.number));
        dropped += entries.iter().map(Entry::dropped).sum::<u64>();
        kept += entries
            .iter()
            .flat_map(|entry| &entry.parts)
            .filter(|part| part.class == Class::Finding && !part.dropped)
            .count() as u64;
        spool.acknowledge(end, Counts::default()).expect("it is noted");
    }
    assert_eq!((kept, dropped), (findings, bulk));
    spool.save().expect("it is saved");
    assert_eq!(spool.fill(), Fill { entries: 0, bytes: 0 });
    spool.append(step(Class::Finding, "room again\n")).expect("it is written");
}

#[test]
fn a_step_that_is_larger_than_the_spool_is_taken_when_nothing_waits() {
    let folder = tempfile::tempdir().expect("there is room");
    let spool = Spool::open(folder.path(), 1000).expect("it opens");
    let noise: String = (0..100_u64).map(|n| blake3::hash(&n.to_le_bytes()).to_hex().to_string()).collect();
    spool.append(step(Class::Finding, &(noise.clone() + "\n"))).expect("nothing waits");
    assert!(matches!(spool.append(step(Class::Finding, "x\n")), Err(AgentError::Full { .. })));
    spool.acknowledge(1, Counts::default()).expect("it is noted");
    spool.append(step(Class::Finding, &(noise + "\n"))).expect("nothing waits");
}

#[test]
fn damage_on_the_disk_is_counted_and_passed_over() {
    let folder = tempfile::tempdir().expect("there is room");
    let spool = open(folder.path());
    for n in 0..3 {
        spool.append(step(Class::Finding, &format!("line {n}\n"))).expect("it is written");
    }
    let agent = spool.state().agent;
    drop(spool);
    let path = folder.path().join("spool/000000000001.seg");
    let mut content = fs::read(&path).expect("it is there");
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(&path, content).expect("it is written");
    let spool = open(folder.path());
    assert_eq!(spool.state().counts.damaged, 1);
    assert_ne!(spool.state().agent, agent, "numbers of lost records would name others");
    assert_eq!(texts(&spool.next(1000, SECOND).expect("it reads")), ["0:line 0", "2:line 2"]);
}
