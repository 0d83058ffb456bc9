//! Files: what is put aside, what is cut, what is refused.

use std::fs;
use std::path::Path;

use super::*;
use crate::sale::{Name, State};

fn name(text: &str) -> Name {
    Name::parse(text.as_bytes()).expect("a good name")
}

fn change(seq: u64, buyer: &str) -> Change {
    let line = |item: &str, units| ChangedLine { item: name(item), units, price: 2500 };
    let facts = OrderFacts {
        buyer: buyer.into(),
        key: format!("k{seq}").as_str().into(),
        channel: None,
        lines: smallvec::smallvec![line("tee", 2), line("cap", 1)],
    };
    Change {
        seq,
        time: 1_790_000_000_000_000_000,
        kind: Kind::Now(State::Confirmed),
        sale: name("drop"),
        currency: Currency::of(*b"EUR"),
        order: 7,
        facts: Some(facts),
    }
}

fn at(seq: u64, mark: &str) -> Checkpoint {
    Checkpoint { seq, mark: mark.to_owned(), ..Checkpoint::default() }
}

fn sink(path: &Path, format: Format, rotate_bytes: u64) -> FileSink {
    FileSink::new(FileTerms { path: Some(path.to_owned()), format, rotate_bytes })
}

#[test]
fn a_change_is_whole_in_json_and_in_csv() {
    let mut out = Vec::new();
    change(9, "ann").write_json(&mut out);
    let text = concat!(
        r#"{"seq":9,"time":"2026-09-21T14:13:20.000000Z","change":"confirmed","sale":"drop","#,
        r#""order":"7","buyer":"ann","key":"k9","lines":[{"item":"tee","units":2,"price":2500},"#,
        r#"{"item":"cap","units":1,"price":2500}],"total":7500,"currency":"EUR"}"#
    );
    assert_eq!(String::from_utf8_lossy(&out), text);
    let read: Told<'_> = serde_json::from_slice(&out).expect("it reads back");
    assert_eq!(read, Told::of(&change(9, "ann")));
    let bare = Change { facts: None, ..change(9, "") };
    out.clear();
    bare.write_json(&mut out);
    assert_eq!(serde_json::from_slice::<Told<'_>>(&out).expect("it reads back"), Told::of(&bare));
    let mut of_channel = change(9, "a \"b\" \u{fc}");
    of_channel.facts.as_mut().expect("it has some").channel = Some(Box::new(name("live")));
    let odd = change(9, "\u{1}\t\\\"'\u{7f}\u{2028}");
    let dear = Change { seq: u64::MAX, order: u64::MAX, currency: None, ..change(9, "") };
    for one in [change(9, "ann"), of_channel, bare, odd, dear] {
        let mut both = [Vec::new(), Vec::new()];
        one.write_json(&mut both[0]);
        Told::of(&one).write_json(&mut both[1]);
        assert_eq!(both[0], both[1], "there are two ways to write it and one form");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("orders.csv");
    let mut file = sink(&path, Format::Csv, 0);
    file.begin(&at(0, "")).expect("a new file");
    let cancelled = Change { facts: None, kind: Kind::Now(State::Cancelled), ..change(11, "") };
    file.deliver(&[change(9, "a \"b\", c"), cancelled], 11).expect("it is written");
    let text = fs::read_to_string(&path).expect("the file");
    let rows: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(rows.len(), 5, "a head, two lines, one cancel and the end: {text}");
    let begun = "9,2026-09-21T14:13:20.000000Z,confirmed,drop,7,\"a \"\"b\"\", c\",k9,,";
    assert_eq!(rows[1], format!("{begun}tee,2,2500,EUR"));
    assert_eq!(rows[2], format!("{begun}cap,1,2500,EUR"));
    file.deliver(&[change(12, "=1+1")], 12).expect("it is written");
    let text = fs::read_to_string(&path).expect("the file");
    assert!(text.contains(",drop,7,'=1+1,k12,"), "no cell is a formula: {text}");
    // There are those that split at other signs, quoted or not.
    file.deliver(&[change(13, "a;=1+1;\"=2\"\t@x;b")], 13).expect("it is written");
    let text = fs::read_to_string(&path).expect("the file");
    assert!(text.contains(",\"a;'=1+1;'\"\"=2\"\"\t'@x;b\",k13,"), "no cell is a formula: {text}");
    assert_eq!(rows[3], "11,2026-09-21T14:13:20.000000Z,cancelled,drop,7,,,,,,,EUR");
}

#[test]
fn what_no_checkpoint_speaks_of_is_cut_wherever_it_was_killed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("orders.ndjson");
    let lines = |path: &Path| fs::read_to_string(path).expect("the file").lines().count();
    let mut file = sink(&path, Format::Ndjson, 500);
    assert!(file.begin(&at(0, "")).expect("a new file").mark.starts_with("0 "));
    let first = file.deliver(&[change(1, "a")], 1).expect("written");
    let second = file.deliver(&[change(2, "b"), change(3, "c")], 3).expect("written");
    // Killed before the second checkpoint was written.
    drop(file);
    let mut file = sink(&path, Format::Ndjson, 500);
    assert_eq!(file.begin(&at(1, &first)).expect("it goes on").mark, first);
    assert_eq!(lines(&path), 1);
    assert_eq!(file.deliver(&[change(2, "b"), change(3, "c")], 3).expect("written"), second);
    // It has grown enough: the next comes into a new one.
    file.deliver(&[change(5, "e")], 5).expect("written");
    let aside = FileSink::aside(&path, 3);
    assert_eq!(aside.file_name().expect("a name"), "orders.00000000000000000003.ndjson");
    assert_eq!((lines(&aside), lines(&path)), (3, 1));
    // Killed between putting aside and the checkpoint.
    drop(file);
    let mut file = sink(&path, Format::Ndjson, 500);
    assert!(file.begin(&at(3, &second)).expect("it goes on").mark.starts_with("0 "));
    assert_eq!((lines(&aside), lines(&path)), (3, 0));
    let third = file.deliver(&[change(5, "e")], 5).expect("written");
    drop(file);
    let mut file = sink(&path, Format::Ndjson, 500);
    assert_eq!(file.begin(&at(5, &third)).expect("it goes on").mark, third);
    assert_eq!((lines(&aside), lines(&path)), (3, 1));
}

#[test]
fn a_file_that_was_cut_or_was_there_is_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("orders.ndjson");
    fs::write(&path, "theirs\n").expect("written");
    let refused = |path: &Path, format, checkpoint: &Checkpoint, why: &str| {
        let before = fs::read_to_string(path).ok();
        let refused = sink(path, format, 0).begin(checkpoint);
        let Err(Trouble::Stop(told)) = refused else { panic!("{refused:?}") };
        assert!(told.contains(why) && told.contains("orders"), "{told}");
        assert_eq!(fs::read_to_string(path).ok(), before);
    };
    refused(&path, Format::Ndjson, &at(0, ""), "move it away");
    let ours = folder.path().join("orders-of-ours.ndjson");
    let mut file = sink(&ours, Format::Ndjson, 0);
    file.begin(&at(0, "")).expect("a new file");
    let kept = at(4, &file.deliver(&[change(4, "d")], 4).expect("written"));
    // Two at once.
    refused(&ours, Format::Ndjson, &kept, "another sink");
    drop(file);
    refused(&ours, Format::Csv, &kept, "another format");
    // The checkpoint of one file, the path of another, or of none.
    refused(&path, Format::Ndjson, &kept, "it is not the file that was written");
    let none = folder.path().join("orders-of-nobody.ndjson");
    refused(&none, Format::Ndjson, &kept, "it is not the file that was written");
    fs::File::options().write(true).open(&ours).expect("ours").set_len(5).expect("cut");
    refused(&ours, Format::Ndjson, &kept, "somebody has cut it");
}
