//! A guest that imports WASI: by the name of the trigger it reads clocks and random numbers, sleeps, prints, tells,
//! or exits.

use pointsman::rules::types::{Custom, Effect, Event, Failure, Message, Proposal, Value};
use wasi::cli::{exit, stderr, stdout};
use wasi::clocks::{monotonic_clock, wall_clock};
use wasi::io::poll;
use wasi::random::{insecure_seed, random};
use wasi::sockets::{network, tcp_create_socket};

// Only what is called here: an interface that a package imports may be a part of what the host offers.
wit_bindgen::generate!({
    path: "../../../wit/v1",
    world: "probe:wasi/probe",
    generate_all,
    inline: "
        package probe:wasi;

        world probe {
            include pointsman:rules/rule@1.0.0-rc.1;
            import wasi:io/poll@0.2.0;
            import wasi:io/streams@0.2.0;
            import wasi:clocks/wall-clock@0.2.0;
            import wasi:clocks/monotonic-clock@0.2.0;
            import wasi:random/random@0.2.0;
            import wasi:random/insecure-seed@0.2.0;
            import wasi:cli/stdout@0.2.0;
            import wasi:cli/stderr@0.2.0;
            import wasi:cli/exit@0.2.0;
            import wasi:cli/environment@0.2.0;
            import wasi:sockets/network@0.2.0;
            import wasi:sockets/tcp-create-socket@0.2.0;
        }

        package wasi:io@0.2.0 {
            interface error { resource error; }
            interface poll {
                resource pollable { block: func(); ready: func() -> bool; }
                poll: func(in: list<borrow<pollable>>) -> list<u32>;
            }
            interface streams {
                use error.{error};
                variant stream-error { last-operation-failed(error), closed }
                resource output-stream {
                    blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
                }
            }
        }

        package wasi:clocks@0.2.0 {
            interface wall-clock {
                record datetime { seconds: u64, nanoseconds: u32 }
                now: func() -> datetime;
            }
            interface monotonic-clock {
                use wasi:io/poll@0.2.0.{pollable};
                now: func() -> u64;
                subscribe-duration: func(when: u64) -> pollable;
            }
        }

        package wasi:random@0.2.0 {
            interface random { get-random-bytes: func(len: u64) -> list<u8>; get-random-u64: func() -> u64; }
            interface insecure-seed { insecure-seed: func() -> tuple<u64, u64>; }
        }

        package wasi:cli@0.2.0 {
            interface stdout { use wasi:io/streams@0.2.0.{output-stream}; get-stdout: func() -> output-stream; }
            interface stderr { use wasi:io/streams@0.2.0.{output-stream}; get-stderr: func() -> output-stream; }
            interface exit { exit: func(status: result); }
            interface environment { get-environment: func() -> list<tuple<string, string>>; }
        }

        package wasi:sockets@0.2.0 {
            interface network {
                enum error-code {
                    unknown, access-denied, not-supported, invalid-argument, out-of-memory, timeout,
                    concurrency-conflict, not-in-progress, would-block, invalid-state, new-socket-limit,
                    address-not-bindable, address-in-use, remote-unreachable, connection-refused, connection-reset,
                    connection-aborted, datagram-too-large, name-unresolvable, temporary-resolver-failure,
                    permanent-resolver-failure,
                }
                enum ip-address-family { ipv4, ipv6 }
            }
            interface tcp { resource tcp-socket; }
            interface tcp-create-socket {
                use network.{error-code, ip-address-family};
                use tcp.{tcp-socket};
                create-tcp-socket: func(address-family: ip-address-family) -> result<tcp-socket, error-code>;
            }
        }
    ",
});

struct Probe;

impl exports::pointsman::rules::handler::Guest for Probe {
    fn validate(_: String) -> Result<(), String> {
        Ok(())
    }

    fn handle(event: Event) -> Result<Vec<Proposal>, Failure> {
        match event.trigger.as_str() {
            "look" => Ok(vec![look()]),
            "sleep" => Ok(vec![sleep()]),
            "flood" => {
                let line = [b'x'; 999];
                for _ in 0..1_000 {
                    print(&line);
                }
                Ok(Vec::new())
            }
            "random-limit" => Ok(vec![note(vec![("bytes", random::get_random_bytes(1 << 20).len() as i64)])]),
            "random-past" => Ok(vec![note(vec![("bytes", random::get_random_bytes((1 << 20) + 1).len() as i64)])]),
            "tell" => Ok(vec![tell(&event)]),
            "exit" => {
                exit::exit(Err(()));
                Ok(Vec::new())
            }
            other => Err(Failure::Permanent(format!("no behaviour for trigger `{other}`"))),
        }
    }
}

fn look() -> Proposal {
    print(b"out one\nout two");
    let _ = stderr::get_stderr().blocking_write_and_flush(b"err one\n");
    let now = wall_clock::now();
    let socket = tcp_create_socket::create_tcp_socket(network::IpAddressFamily::Ipv4);
    note(vec![
        ("micros", now.seconds as i64 * 1_000_000 + i64::from(now.nanoseconds / 1_000)),
        ("monotonic", (monotonic_clock::now() / 1_000) as i64),
        ("random", (random::get_random_u64() >> 11) as i64),
        ("bytes", random::get_random_bytes(9).len() as i64),
        ("seed", (insecure_seed::insecure_seed().0 >> 11) as i64),
        ("variables", wasi::cli::environment::get_environment().len() as i64),
        ("denied", i64::from(matches!(socket, Err(network::ErrorCode::AccessDenied)))),
    ])
}

/// Ten years of sleep.
fn sleep() -> Proposal {
    let year = 365 * 86_400 * 1_000_000_000;
    let before = monotonic_clock::now();
    for _ in 0..9 {
        monotonic_clock::subscribe_duration(year).block();
    }
    let last = monotonic_clock::subscribe_duration(year);
    let ready = poll::poll(&[&last]).len();
    note(vec![("years", ((monotonic_clock::now() - before) / year) as i64), ("ready", ready as i64)])
}

/// What a host can be asked to send: ten years of sleep, and whether the clock shows the event's own time.
fn tell(event: &Event) -> Proposal {
    print(b"told");
    let now = wall_clock::now();
    let before = monotonic_clock::now();
    let year = 365 * 86_400 * 1_000_000_000;
    (0..10).for_each(|_| monotonic_clock::subscribe_duration(year).block());
    let years = (monotonic_clock::now() - before) / year;
    let same = now.seconds as i64 * 1_000_000 + i64::from(now.nanoseconds / 1_000) == event.received_at;
    let payload = format!("{{\"years\":{years},\"same\":{same}}}").into_bytes();
    let message =
        Message { topic: "wasi/told".to_owned(), payload, content_type: None, retained: false, attributes: Vec::new() };
    Proposal { effect: Effect::Publish(message), tag: None, because: None, attributes: Vec::new() }
}

fn print(bytes: &[u8]) {
    let _ = stdout::get_stdout().blocking_write_and_flush(bytes);
}

fn note(numbers: Vec<(&str, i64)>) -> Proposal {
    let attributes = numbers.into_iter().map(|(name, number)| (name.to_owned(), Value::Integer(number))).collect();
    let effect = Effect::Other(Custom { name: "seen".to_owned(), attributes });
    Proposal { effect, tag: None, because: None, attributes: Vec::new() }
}

export!(Probe);
