//! Where options come from, what is refused and how it is said.

use super::*;

fn environment(pairs: &[(&str, &str)]) -> Result<Layer, String> {
    Layer::from_environment(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
}

#[test]
fn a_flag_comes_before_the_environment_before_the_file_before_the_default() {
    let file = Layer { shards: Some(2), idle_ms: Some(7), ..Layer::default() };
    let variables = [("DOORBUSTER_SHARDS", "3"), ("DOORBUSTER_LISTEN", "127.0.0.1:9")];
    let environment = environment(&variables).expect("good variables");
    let flags = Layer { shards: Some(4), ..Layer::default() };
    let options = flags.over(environment).over(file).options().expect("good options");
    assert_eq!((options.shards, options.idle_ms, options.request_ms), (4, 7, 10_000));
    assert_eq!(options.listen.port(), 9);
}

#[test]
fn an_unknown_or_bad_variable_is_refused_by_name() {
    let why = environment(&[("DOORBUSTER_SHRADS", "3")]).expect_err("no such option");
    assert!(why.contains("DOORBUSTER_SHRADS") && why.contains("shards"), "{why}");
    let why = environment(&[("DOORBUSTER_DURABILITY", "maybe")]).expect_err("no such word");
    assert!(why.contains("fsync") && why.contains("os"), "{why}");
    let layer = environment(&[("DOORBUSTER_SALE", "a.toml,b.json")]).expect("a list");
    assert_eq!(layer.sale.expect("given").len(), 2);
}

#[test]
fn a_bad_file_is_refused_with_its_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("doorbuster.toml");
    std::fs::write(&path, "shards = 1\n\nlisten = \"nowhere\"\n").expect("written");
    let why = Layer::from_file(&path).expect_err("not an address");
    assert!(why.contains("doorbuster.toml:3:"), "{why}");
    std::fs::write(&path, "shards = 1\ncolour = \"red\"\n").expect("written");
    let why = Layer::from_file(&path).expect_err("no such key");
    assert!(why.contains(":2:") && why.contains("colour") && why.contains("listen"), "{why}");
}

#[test]
fn a_value_out_of_range_is_refused_with_what_is_allowed() {
    let why = Layer { shards: Some(0), ..Layer::default() }.options().expect_err("none");
    assert_eq!(why, "shards: 0 is not between 1 and 64");
}

#[test]
fn every_option_is_printed_with_its_origin_and_reads_back_as_it_was() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("doorbuster.toml");
    let text = "idle_ms = 7\ndata = \"a \\\"b\\\"\"\nsale = [\"x,y.toml\"]\n";
    std::fs::write(&path, text).expect("written");
    let file = Layer::from_file(&path).expect("a good file");
    let environment = environment(&[("DOORBUSTER_IDLE_MS", "1_000")]).expect("good variables");
    let mut flags = Layer::default();
    let setting = |name| SETTINGS.iter().find(|setting| setting.name == name).expect("there");
    flags.flag(setting("log"), &["json"]).expect("a good flag");
    let layer = flags.over(environment).over(file);
    let printed = layer.print().expect("good options");
    for (name, origin) in [
        ("idle_ms = 1000", "# DOORBUSTER_IDLE_MS"),
        ("data = ", "doorbuster.toml:2"),
        ("log = \"json\"", "# --log"),
        ("pin = false", "# default"),
    ] {
        let line = printed.lines().find(|line| line.starts_with(name)).expect(name);
        assert!(line.ends_with(origin), "{line}");
    }
    std::fs::write(&path, &printed).expect("written");
    let back = Layer::from_file(&path).expect("it reads back").options().expect("good options");
    assert_eq!(back, layer.options().expect("good options"));
}

#[test]
fn what_is_not_understood_is_refused_with_its_line_and_what_was_likely_meant() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("doorbuster.toml");
    for (text, line, says) in [
        ("shards = 1\nshards = 2\n", 2, "duplicate key"),
        ("\n[shards]\nmax = 3\n", 2, "shards: a table is not a whole number"),
        ("shrads = 1\n", 1, "did you mean `shards`?"),
        ("\nlog = \"jsn\"\n", 2, "`text`, `json`; did you mean `json`?"),
        ("shards = 65\n", 1, "shards: 65 is not between 1 and 64"),
        ("shards = \"2\"\n", 1, "shards: \"2\" is not a whole number"),
        ("idle_ms = -1\n", 1, "idle_ms: -1 is not a whole number"),
        ("pin = \"yes\"\n", 1, "\"yes\" is not true or false"),
        ("sale = [\"a.toml\", 3]\n", 1, "this list is not a list, each a path"),
        ("data = 1979-05-27\n", 1, "is not a path"),
        ("data = \"x\nlog = 1\n", 1, ""),
    ] {
        std::fs::write(&path, text).expect("written");
        let why = Layer::from_file(&path).expect_err(text);
        assert!(why.contains(&format!("doorbuster.toml:{line}: ")), "{why}");
        assert!(why.contains(says), "{why}");
    }
    std::fs::write(&path, b"log = \"text\"\ndata = \"\xff\"\n").expect("written");
    let why = Layer::from_file(&path).expect_err("no text");
    assert!(why.ends_with("doorbuster.toml:2: not UTF-8"), "{why}");
}

#[test]
fn a_change_is_in_force_by_a_reload_or_says_that_it_needs_a_restart() {
    let before = Layer::default().options().expect("the defaults");
    let newer = Layer { idle_ms: Some(5), orders_max: Some(3_000_000), ..Layer::default() };
    let newer = newer.options().expect("good options");
    let lines: Vec<String> = before.changes(&newer).iter().map(Changed::to_string).collect();
    assert_eq!(
        lines,
        [
            "orders_max: 2000000 -> 3000000 needs a restart",
            "buyers_max: 2000004 -> 3000004 needs a restart",
            "long_texts_max: 4000002 -> 6000002 needs a restart",
            "idle_ms: 300000 -> 5",
        ]
    );
    assert_eq!(before.changes(&before), []);
}

#[test]
fn certificate_and_key_come_together() {
    let path = || Some(Some(std::path::PathBuf::from("x.pem")));
    let cert = Layer { tls_cert: path(), ..Layer::default() };
    let why = cert.clone().options().expect_err("no key");
    assert_eq!(why, "tls_key: wanted with tls_cert: both or neither");
    let key = Layer { tls_key: path(), ..Layer::default() };
    let why = key.clone().options().expect_err("no certificate");
    assert_eq!(why, "tls_cert: wanted with tls_key: both or neither");
    let required = Layer { tls_required: Some(true), ..Layer::default() };
    let why = required.clone().options().expect_err("neither");
    assert_eq!(why, "tls_required: wants tls_cert and tls_key");
    let options = cert.over(key).over(required).options().expect("both");
    assert!(options.tls_files().is_some() && options.tls_required);
}

#[test]
fn a_sink_is_read_from_words_and_tables_and_refused_by_name_and_key() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("doorbuster.toml");
    let text = "[[sink]]\nname = \"a\"\ntype = \"file\"\npath = \"a.csv\"\nformat = \"csv\"\n\
        rotate_mib = 3\nchanges = [\"held\", \"extended\"]\nsales = [\"drop\"]\n";
    std::fs::write(&path, text).expect("written");
    let layer = Layer::from_file(&path).expect("a good file");
    let options = layer.clone().options().expect("good options");
    let sink = &options.sinks().expect("good sinks")[0];
    assert_eq!((sink.name.as_str(), sink.from), ("a", 1));
    assert!(matches!(&sink.terms, crate::sink::Terms::File(file) if file.rotate_bytes == 3 << 20));
    assert_eq!((sink.wanted.kinds.len(), sink.wanted.sales.len()), (2, 1));
    // What is printed reads back as it was.
    std::fs::write(&path, layer.print().expect("good options")).expect("written");
    let again = Layer::from_file(&path).expect("a good file").options().expect("good options");
    assert_eq!(again.sink, options.sink);
    let told = |words: &[&str]| {
        let mut flags = Layer::default();
        let setting = SETTINGS.iter().find(|setting| setting.name == "sink").expect("there");
        flags.flag(setting, words)?;
        flags.options().map(|options| options.sinks().expect("looked at before").len())
    };
    let good = "name=b type=file path=-";
    assert_eq!(told(&[good]), Ok(1));
    for (bad, part) in [
        ("name", "is not a list, each a sink"),
        ("name=b type=file path=x colour=red", "a file has no key `colour`"),
        ("name=b type=file path=x formt=csv", "did you mean `format`?"),
        ("type=file path=x", "name: it wants one"),
        ("name=b/c type=file path=x", "sink `b/c`: name: it must be 1 to 32 of"),
        ("name=b path=x", "type: it wants one"),
        ("name=b type=file path=x from=0", "from: `0` is not a seq, 1 or more, or `now`"),
        (
            "name=b type=amqp path=x",
            "type: `amqp` is none of `file`, `postgres`, `webhook`, `redis`, `nats`, `kafka`",
        ),
        ("name=b type=file", "path: it wants one"),
        ("name=b type=file path=x format=xml", "format: `xml` is not `ndjson` or `csv`"),
        (
            "name=b type=file path=x rotate_mib=-1",
            "rotate_mib: `-1` is not a whole number between 0 and",
        ),
        ("name=b type=file path=- rotate_mib=1", "standard output is not put aside"),
        ("name=b type=file path=x changes=sold", "changes: `sold` is none of `all`, `held`"),
        ("name=b type=file path=x sales=a/b", "sales: `a/b`"),
        ("name=b name=c type=file path=x", "name: one is wanted"),
        ("name=b type=postgres", "url: it wants one, as postgres://"),
        ("name=b type=postgres url=http://x", "url: invalid connection string: "),
        ("name=b type=postgres url=postgres://x", "it wants a host and a user"),
        ("name=b type=postgres url=postgres://a:hush@h", "url: no password in it"),
        ("name=b type=postgres url=postgres://a@h schema=A", "schema: `A` is not 1 to 48 of a-z"),
        ("name=b type=postgres url=postgres://a@h timeout_ms=1", "between 100 and 3600000"),
        ("name=b type=postgres url=postgres://a@h ca_file=x", "ca_file: wants a url that ends"),
        (
            "name=b type=postgres url=postgres://a@h password_env=A password_file=b",
            "either this or password_env",
        ),
    ] {
        let why = told(&[bad]).expect_err(bad);
        assert!(why.contains(part), "{bad}: {why}");
    }
    let why = told(&[good, "name=c type=file path=-"]).expect_err("twice");
    assert!(why.contains("another sink writes there"), "{why}");
    let durability = Some(Durability::Os);
    let layer = Layer { sink: Some(options.sink), durability, ..Layer::default() };
    assert!(layer.options().expect_err("not durable").contains("durability `fsync`"));
    let why = told(&[good, "name=b type=file path=y"]).expect_err("twice");
    assert!(why.contains("another sink has it"), "{why}");
    let why = told(&["name=b type=file path=y", "name=c type=file path=y"]).expect_err("twice");
    assert!(why.contains("another sink writes there"), "{why}");
}

#[test]
fn a_webhook_is_read_and_what_it_cannot_be_told_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("doorbuster.toml");
    let text = "[[sink]]\nname = \"a\"\ntype = \"webhook\"\nurl = \"https://shop.example/hooks\"\n\
        secret_file = \"secret\"\nallow_private = true\nbatch_max = 9\n";
    std::fs::write(&path, text).expect("written");
    let options = Layer::from_file(&path).expect("a good file").options().expect("good options");
    let sink = &options.sinks().expect("good sinks")[0];
    let crate::sink::Terms::Webhook(terms) = &sink.terms else { panic!("{sink:?}") };
    assert_eq!((terms.in_flight, terms.batch_max, terms.rate_per_second), (8, 9, 0));
    assert_eq!((terms.timeout.as_millis(), terms.patience.as_secs()), (10_000, 259_200));
    assert!(terms.is_private_allowed && terms.token.is_none() && terms.ca_file.is_none());
    let told = |words: &str| {
        let mut flags = Layer::default();
        let setting = SETTINGS.iter().find(|setting| setting.name == "sink").expect("there");
        flags.flag(setting, &[&format!("name=b type=webhook {words}")])?;
        flags.options().map(|options| options.sinks().expect("looked at before").len())
    };
    let good = "url=https://shop.example/x secret_env=HOOK_SECRET";
    assert_eq!(told(good), Ok(1));
    assert_eq!(told("url=http://[::1]:9/x secret_env=S allow_private=true"), Ok(1));
    for (bad, part) in [
        ("secret_env=S", "url: it wants one, as https://"),
        ("url=https://shop.example/x", "secret_file: it wants this, or secret_env"),
        ("url=https://shop.example/x secret=whsec_x", "no key `secret`; it has `name`"),
        ("url=ftp://shop.example/ secret_env=S", "url: http or https, a host and a path"),
        ("url=shop.example/x secret_env=S", "url: "),
        ("url=/x secret_env=S", "url: http or https, a host"),
        ("url=https://ann:pass@shop.example/ secret_env=S", "url: a user or password in it"),
        ("url=https://shop.example/#x secret_env=S", "url: what is behind # is never sent"),
        ("url=http://127.0.0.1/ secret_env=S", "127.0.0.1 is not public; allow_private = true"),
        ("url=http://[::ffff:10.0.0.1]/ secret_env=S", "::ffff:10.0.0.1 is not public"),
        ("url=http://8.8.8.8/ secret_env=S ca_file=x", "ca_file: only an https URL"),
        ("url=https://8.8.8.8/ secret_env=S ca_file=", "ca_file: it is empty"),
    ] {
        let why = told(bad).expect_err(bad);
        assert!(why.contains(part) && !why.contains("pass@"), "{bad}: {why}");
    }
    for (key, part) in [
        ("secret_file=x", "secret_file: either this or secret_env"),
        ("token_file=x token_env=y", "token_file: either this or token_env"),
        ("in_flight=0", "in_flight: `0` is not a whole number between 1 and 64"),
        ("batch_max=1001", "batch_max: `1001` is not a whole number between 1 and 1000"),
        ("rate_per_second=-1", "rate_per_second: `-1` is not a whole number between 0 and 1000000"),
        ("timeout_ms=9", "timeout_ms: `9` is not a whole number between 10 and 120000"),
        ("retry_hours=many", "retry_hours: `many` is not a whole number between 0 and 8760"),
        ("allow_private=yes", "allow_private: `yes` is not true or false"),
        ("dead_letters=", "dead_letters: it is empty; a path is wanted"),
        ("inflight=3", "did you mean `in_flight`?"),
    ] {
        let why = told(&format!("{good} {key}")).expect_err(key);
        assert!(why.contains(part), "{key}: {why}");
    }
}

#[test]
fn queues_are_told_no_secret_and_nothing_that_does_not_go_together() {
    let told = |words: &str| {
        let mut flags = Layer::default();
        let setting = SETTINGS.iter().find(|setting| setting.name == "sink").expect("there");
        flags.flag(setting, &[words])?;
        flags.options().map(|options| options.sinks().expect("looked at before").remove(0).terms)
    };
    let redis =
        told("name=a type=redis url=rediss://h:1/2 user=u password_env=P ca_file=x maxlen=9");
    let Ok(crate::sink::Terms::Redis(redis)) = redis else { panic!("{redis:?}") };
    assert_eq!((redis.stream.as_str(), redis.entries_max), ("doorbuster:orders", 9));
    assert_eq!(redis.slip(), "{doorbuster:orders}:doorbuster");
    let nats =
        told("name=a type=nats url=nats://h url=nats://i create=true creds_file=x prefix=a.b");
    let Ok(crate::sink::Terms::Nats(nats)) = nats else { panic!("{nats:?}") };
    assert_eq!((nats.urls.len(), nats.subjects().as_str(), nats.is_made), (2, "a.b.>", true));
    for (bad, part) in [
        ("type=redis url=redis://:secret@h", "url: no user and no password in it"),
        ("type=redis url=http://h", "url: `http://h`"),
        ("type=redis url=unix:///x", "is not redis://HOST:PORT or rediss://HOST:PORT"),
        ("type=redis ca_file=x", "ca_file: wants a url that begins with rediss://"),
        ("type=redis user=u", "user: wants `password_file` or `password_env`"),
        ("type=redis password=secret", "a redis has no key `password`"),
        ("type=redis password_file=x password_env=Y", "either this or password_env"),
        ("type=redis maxlen=-1", "maxlen: `-1` is not a whole number"),
        ("type=redis timeout_ms=1", "timeout_ms: `1` is not a whole number between 100"),
        ("type=nats timeout_ms=1", "timeout_ms: `1` is not a whole number between 100"),
        ("type=nats url=nats://u:secret@h", "url: no user, password or token in it"),
        ("type=nats url=ws://h", "is not nats://HOST:PORT or tls://HOST:PORT"),
        ("type=nats user=u", "user: one of `user` with `password_file`"),
        ("type=nats token_env=X creds_file=y", "user: one of `user` with `password_file`"),
        ("type=nats stream=a.b", "stream: `a.b` is not of A-Z a-z 0-9 _-"),
        ("type=nats prefix=a..b", "prefix: `a..b`: words with a dot between"),
        ("type=nats create=maybe", "create: `maybe` is not true or false"),
        ("type=nats ca_file=x", "ca_file: wants a url that begins with tls://"),
        ("type=kafka password_file=x", "password_file: a kafka sink speaks neither SASL nor TLS"),
        #[cfg(not(feature = "kafka"))]
        ("type=kafka topic=a", "build it with `cargo build --release --features kafka`"),
    ] {
        let why = told(&format!("name=b {bad}")).expect_err(bad);
        assert!(why.contains(part) && !why.contains("secret"), "{bad}: {why}");
    }
    let two = ["name=a type=redis", "name=b type=redis stream=doorbuster:orders"];
    let mut flags = Layer::default();
    let setting = SETTINGS.iter().find(|setting| setting.name == "sink").expect("there");
    flags.flag(setting, &two).expect("read");
    assert!(flags.options().expect_err("twice").contains("another sink writes there"));
}
