//! One event for a rule on a live instance: in the sandbox, by wasmtime alone, and as native code.

use std::sync::LazyLock;

use bench::bare::Bare;
use bench::guest::{self, Answer};
use bench::pairs;
use bench::sandboxed::Caller;
use divan::Bencher;

static COMPONENT: LazyLock<Vec<u8>> = LazyLock::new(|| guest::component().expect("the guest builds"));

fn main() {
    divan::main();
    if !pairs::wanted() {
        return;
    }
    for answer in Answer::ALL {
        let mut sandboxed = sandbox_caller(answer);
        let mut native = native_caller(answer);
        let mut bare = bare_caller(answer);
        let mut bare_call = || _ = divan::black_box(bare.call());
        pairs::print(
            &format!("call {answer:?}, sandboxed / bare"),
            (&mut || _ = divan::black_box(sandboxed.call()), 1),
            (&mut bare_call, 1),
        );
        pairs::print(
            &format!("call {answer:?}, native / bare"),
            (&mut || _ = divan::black_box(native.call()), 1),
            (&mut bare_call, 1),
        );
    }
}

#[divan::bench(args = Answer::ALL)]
fn sandboxed(bencher: Bencher<'_, '_>, answer: Answer) {
    let mut caller = sandbox_caller(answer);
    bencher.bench_local(|| caller.call());
}

#[divan::bench(args = Answer::ALL)]
fn bare(bencher: Bencher<'_, '_>, answer: Answer) {
    let mut bare = bare_caller(answer);
    bencher.bench_local(|| bare.call());
}

#[divan::bench(args = Answer::ALL)]
fn native(bencher: Bencher<'_, '_>, answer: Answer) {
    let mut caller = native_caller(answer);
    bencher.bench_local(|| caller.call());
}

fn sandbox_caller(answer: Answer) -> Caller {
    Caller::sandboxed(&COMPONENT, answer).expect("the guest starts")
}

fn bare_caller(answer: Answer) -> Bare {
    Bare::new(&COMPONENT, answer).expect("the guest starts")
}

fn native_caller(answer: Answer) -> Caller {
    Caller::native(answer).expect("native code always starts")
}
