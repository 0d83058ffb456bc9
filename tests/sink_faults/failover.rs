//! Another server that takes over, and lacks the end of what the first was told.

use super::postgres::free_port;
use super::server::{House, Server};
use super::shard_house::wait_until;
use super::sinks::{AT_ONCE, DROP, OF_ORDERS, assert_same, seqs, shop, until};
use super::{LEVEL, Postgres, Proxy, RedisServer, line_with, run};

/// Orders of all kinds, told to whoever is there.
fn shop_and_tell(server: &Server, round: u64) {
    shop(server, round, 40).expect("it answers");
    until(server, LEVEL);
}

/// What was lost, up to there at least (holds end by themselves), is told again, and the other has
/// it all then.
#[track_caller]
fn is_told_again(house: &House, server: Server, sink: &str, lost: u64) {
    let line = line_with(server, "told again");
    let told = line.split_once(" of ").and_then(|(_, rest)| rest.split_once(':'));
    let told: u64 = told.and_then(|(seq, _)| seq.parse().ok()).expect("a seq");
    assert!(told >= lost, "{line}");
    assert_same(house, sink);
}

#[test]
fn a_postgres_standby_that_took_over_too_early_is_told_what_it_lacks() {
    let house = House::new(&[DROP, AT_ONCE]);
    let Some(mut primary) = Postgres::start() else { return };
    let proxy = Proxy::before(primary.port);
    let url = format!("postgres://shop@127.0.0.1:{}/postgres?sslmode=disable", proxy.port());
    let sink = format!("name=orders type=postgres url={url} changes=all");
    let seq = |server: &Postgres| -> u64 {
        server.ask("SELECT seq FROM doorbuster.progress")[0].parse().expect("a seq")
    };
    for round in 0..3 {
        let server = run(&house, &sink);
        shop_and_tell(&server, 10 * round);
        let standby = primary.standby();
        shop_and_tell(&server, 10 * round + 1);
        // From here on it hears nothing, and is not missed: nobody waits for a standby.
        standby.ask("ALTER SYSTEM SET primary_conninfo = ''");
        standby.ask("SELECT pg_reload_conf()");
        wait_until("the end of the replication", || {
            primary.ask("SELECT count(*) FROM pg_stat_replication") == ["0"]
        });
        shop_and_tell(&server, 10 * round + 2);
        let lost = seq(&primary);
        primary.kill();
        assert!(seq(&standby) < lost, "nothing was lost");
        standby.ask("SELECT pg_promote()");
        proxy.lead_to(standby.port);
        shop_and_tell(&server, 10 * round + 3);
        is_told_again(&house, server, &sink, lost);
        primary = standby;
    }
    let told = primary.ask("SELECT seq FROM doorbuster.changes ORDER BY seq");
    let told: Vec<u64> = told.iter().map(|seq| seq.parse().expect("a seq")).collect();
    assert_eq!(told, seqs(&house.records(), &OF_ORDERS));
}

#[test]
fn a_redis_replica_that_took_over_too_early_is_told_what_it_lacks() {
    let house = House::new(&[DROP, AT_ONCE]);
    let Some(mut master) = RedisServer::run(&[]) else { return };
    let proxy = Proxy::before(master.port());
    let sink = format!("name=orders type=redis url=redis://127.0.0.1:{} changes=all", proxy.port());
    let seq = |server: &RedisServer| -> u64 {
        server.ask(&["HGET", "{doorbuster:orders}:doorbuster", "seq"])
    };
    for round in 0..3 {
        let server = run(&house, &sink);
        shop_and_tell(&server, 10 * round);
        let replica = RedisServer::run(&[]).expect("a second one");
        let _: String = replica.ask(&["REPLICAOF", "127.0.0.1", &master.port().to_string()]);
        wait_until("the replica has it all", || {
            let slip: Option<u64> = replica.ask(&["HGET", "{doorbuster:orders}:doorbuster", "seq"]);
            slip == Some(seq(&master))
        });
        shop_and_tell(&server, 10 * round + 1);
        // It turns to nobody, and keeps what it has.
        let _: String = replica.ask(&["REPLICAOF", "127.0.0.1", &free_port().to_string()]);
        shop_and_tell(&server, 10 * round + 2);
        let lost = seq(&master);
        master.kill();
        assert!(seq(&replica) < lost, "nothing was lost");
        let _: String = replica.ask(&["REPLICAOF", "NO", "ONE"]);
        proxy.lead_to(replica.port());
        shop_and_tell(&server, 10 * round + 3);
        is_told_again(&house, server, &sink, lost);
        master = replica;
    }
}
