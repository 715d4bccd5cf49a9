//! The functions put in front of the usual WASI: all that would wait, or ask the operating system.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use model::limits;
use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily};
use wasmtime_wasi::p2::bindings::sync::io::streams::StreamError;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, Pollable, TcpSocket, UdpSocket, subscribe};
use wasmtime_wasi::{WasiView as _, async_trait};

use super::output::{Printer, Stream};
use crate::state::State;
use crate::stop::Refused;

/// Version of the interfaces that the usual implementation offers; packages built for an older 0.2 find them too.
const VERSION: &str = "0.2.12";

/// Packages of interfaces that the compatibility linker offers.
const PACKAGES: &[&str] =
    &["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

type Store<'a> = StoreContextMut<'a, State>;

/// Whether the compatibility linker has this import.
pub(crate) fn has(import: &str) -> bool {
    let offered = PACKAGES.iter().any(|package| import.starts_with(package));
    offered && import.split_once('@').is_some_and(|(_, version)| version.starts_with("0.2."))
}

/// Adds all of WASI 0.2, virtual.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)?;
    linker.allow_shadowing(true);
    clocks(linker)?;
    random(linker)?;
    polls(linker)?;
    reads(linker)?;
    writes(linker)?;
    output(linker)?;
    sockets(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// A pollable that is always ready.
struct Ready;

#[async_trait]
impl Pollable for Ready {
    async fn ready(&mut self) {}
}

/// Sleeping moves the guest's own monotonic clock and takes no time.
fn clocks(linker: &mut Linker<State>) -> Result<()> {
    let mut clock = linker.instance(&format!("wasi:clocks/monotonic-clock@{VERSION}"))?;
    clock.func_wrap("subscribe-instant", |mut store: Store<'_>, (when,): (u64,)| {
        store.data_mut().virtual_wasi().monotonic.fetch_max(when, Ordering::Relaxed);
        Ok((ready(&mut store)?,))
    })?;
    clock.func_wrap("subscribe-duration", |mut store: Store<'_>, (duration,): (u64,)| {
        let clock = &store.data_mut().virtual_wasi().monotonic;
        clock.store(clock.load(Ordering::Relaxed).saturating_add(duration), Ordering::Relaxed);
        Ok((ready(&mut store)?,))
    })
}

fn ready(store: &mut Store<'_>) -> Result<Resource<DynPollable>> {
    let table = store.data_mut().ctx().table;
    let ready = table.push(Ready)?;
    subscribe(table, ready)
}

fn random(linker: &mut Linker<State>) -> Result<()> {
    let bytes = |mut store: Store<'_>, (length,): (u64,)| Ok((random_bytes(&mut store, length)?,));
    let number = |mut store: Store<'_>, (): ()| Ok((store.data_mut().virtual_wasi().next(),));
    let mut secure = linker.instance(&format!("wasi:random/random@{VERSION}"))?;
    secure.func_wrap("get-random-bytes", bytes)?;
    secure.func_wrap("get-random-u64", number)?;
    let mut insecure = linker.instance(&format!("wasi:random/insecure@{VERSION}"))?;
    insecure.func_wrap("get-insecure-random-bytes", bytes)?;
    insecure.func_wrap("get-insecure-random-u64", number)?;
    let mut seed = linker.instance(&format!("wasi:random/insecure-seed@{VERSION}"))?;
    seed.func_wrap("insecure-seed", |mut store: Store<'_>, (): ()| {
        let wasi = store.data_mut().virtual_wasi();
        Ok(((wasi.next(), wasi.next()),))
    })
}

fn random_bytes(store: &mut Store<'_>, length: u64) -> Result<Vec<u8>> {
    let length = usize::try_from(length).ok().filter(|length| *length <= limits::CALL_BYTES);
    let too_many = || Refused::Output(format!("more than {} random bytes in one call", limits::CALL_BYTES));
    let length = length.ok_or_else(too_many)?;
    let wasi = store.data_mut().virtual_wasi();
    let mut bytes = Vec::with_capacity(length + size_of::<u64>());
    while bytes.len() < length {
        bytes.extend_from_slice(&wasi.next().to_le_bytes());
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Everything that can be polled here is ready.
fn polls(linker: &mut Linker<State>) -> Result<()> {
    let mut poll = linker.instance(&format!("wasi:io/poll@{VERSION}"))?;
    poll.func_wrap("[method]pollable.ready", |_: Store<'_>, (_,): (Resource<DynPollable>,)| Ok((true,)))?;
    poll.func_wrap("[method]pollable.block", |_: Store<'_>, (_,): (Resource<DynPollable>,)| Ok(()))?;
    poll.func_wrap("poll", |_: Store<'_>, (pollables,): (Vec<Resource<DynPollable>>,)| {
        if pollables.is_empty() {
            return Err(wasmtime::Error::msg("polls an empty list"));
        }
        Ok(((0..pollables.len() as u32).collect::<Vec<u32>>(),))
    })
}

/// The only input is standard input, and that is closed.
fn reads(linker: &mut Linker<State>) -> Result<()> {
    let mut streams = linker.instance(&format!("wasi:io/streams@{VERSION}"))?;
    streams.func_wrap("[method]input-stream.blocking-read", |_: Store<'_>, _: (Resource<DynInputStream>, u64)| {
        Ok((Err::<Vec<u8>, _>(StreamError::Closed),))
    })?;
    streams.func_wrap("[method]input-stream.blocking-skip", |_: Store<'_>, _: (Resource<DynInputStream>, u64)| {
        Ok((Err::<u64, _>(StreamError::Closed),))
    })?;
    type Splice = (Resource<DynOutputStream>, Resource<DynInputStream>, u64);
    streams.func_wrap("[method]output-stream.blocking-splice", |_: Store<'_>, _: Splice| {
        Ok((Err::<u64, _>(StreamError::Closed),))
    })
}

/// Writing is never late, so blocking and not blocking are the same.
fn writes(linker: &mut Linker<State>) -> Result<()> {
    let mut streams = linker.instance(&format!("wasi:io/streams@{VERSION}"))?;
    type Write = (Resource<DynOutputStream>, Vec<u8>);
    streams.func_wrap(
        "[method]output-stream.blocking-write-and-flush",
        |mut store: Store<'_>, (stream, bytes): Write| Ok((write(&mut store, &stream, bytes)?,)),
    )?;
    streams.func_wrap(
        "[method]output-stream.blocking-write-zeroes-and-flush",
        |mut store: Store<'_>, (stream, length): (Resource<DynOutputStream>, u64)| {
            let length = usize::try_from(length).unwrap_or(usize::MAX).min(limits::LOG_PER_EVENT);
            Ok((write(&mut store, &stream, vec![0; length])?,))
        },
    )?;
    streams.func_wrap("[method]output-stream.blocking-flush", |_: Store<'_>, (_,): (Resource<DynOutputStream>,)| {
        Ok((Ok::<(), StreamError>(()),))
    })
}

fn write(store: &mut Store<'_>, stream: &Resource<DynOutputStream>, bytes: Vec<u8>) -> Result<Result<(), StreamError>> {
    let stream = store.data_mut().ctx().table.get_mut(stream)?;
    Ok(stream.write(Bytes::from(bytes)).map_err(|_| StreamError::Closed))
}

fn output(linker: &mut Linker<State>) -> Result<()> {
    fn printer(store: &mut Store<'_>, stream: Stream) -> Result<Resource<DynOutputStream>> {
        let wasi = store.data_mut().virtual_wasi();
        let printer: DynOutputStream = Box::new(Printer { output: Arc::clone(&wasi.output), stream });
        Ok(wasi.table.push(printer)?)
    }
    linker
        .instance(&format!("wasi:cli/stdout@{VERSION}"))?
        .func_wrap("get-stdout", |mut store: Store<'_>, (): ()| Ok((printer(&mut store, Stream::Out)?,)))?;
    linker
        .instance(&format!("wasi:cli/stderr@{VERSION}"))?
        .func_wrap("get-stderr", |mut store: Store<'_>, (): ()| Ok((printer(&mut store, Stream::Err)?,)))
}

/// No socket is ever made, so no other function of the network is ever reached.
fn sockets(linker: &mut Linker<State>) -> Result<()> {
    linker
        .instance(&format!("wasi:sockets/tcp-create-socket@{VERSION}"))?
        .func_wrap("create-tcp-socket", |_: Store<'_>, (_,): (IpAddressFamily,)| {
            Ok((Err::<Resource<TcpSocket>, _>(ErrorCode::AccessDenied),))
        })?;
    linker
        .instance(&format!("wasi:sockets/udp-create-socket@{VERSION}"))?
        .func_wrap("create-udp-socket", |_: Store<'_>, (_,): (IpAddressFamily,)| {
            Ok((Err::<Resource<UdpSocket>, _>(ErrorCode::AccessDenied),))
        })
}
