//! Pairing: which decision of the old run is which of the new one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use model::{Decision, Span};

use crate::difference::same;

/// Old and new decisions by their places in the lists; a pair, or one alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pair {
    Same(usize),
    Both(usize, usize),
    Old(usize),
    New(usize),
}

/// Pairs the decisions of one place, both lists in order of time: first those of one instant, equal ones before others,
/// then the nearest in time that are at most `window` apart, nearest first.
pub(crate) fn pair(old: &[&Decision], new: &[&Decision], window: Span) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let (mut olds, mut news) = (vec![true; old.len()], vec![true; new.len()]);
    let take = |o: usize, n: usize, olds: &mut [bool], news: &mut [bool], pairs: &mut Vec<Pair>| {
        olds[o] = false;
        news[n] = false;
        pairs.push(if same(old[o], new[n]) { Pair::Same(o) } else { Pair::Both(o, n) });
    };
    for equal in [true, false] {
        let mut from = 0;
        for o in 0..old.len() {
            while from < new.len() && new[from].at < old[o].at {
                from += 1;
            }
            let here = (from..new.len()).take_while(|n| new[*n].at == old[o].at);
            let fits = |n: &usize| news[*n] && (!equal || same(old[o], new[*n]));
            let found = here.filter(|_| olds[o]).find(fits);
            if let Some(n) = found {
                take(o, n, &mut olds, &mut news, &mut pairs);
            }
        }
    }
    for (o, n) in nearest(old, new, &olds, &news, window) {
        take(o, n, &mut olds, &mut news, &mut pairs);
    }
    pairs.extend(olds.iter().enumerate().filter(|(_, left)| **left).map(|(o, _)| Pair::Old(o)));
    pairs.extend(news.iter().enumerate().filter(|(_, left)| **left).map(|(n, _)| Pair::New(n)));
    pairs
}

/// One decision that is left, on the common line of time.
struct Point {
    at: i64,
    old: Option<usize>,
    new: Option<usize>,
    before: Option<usize>,
    after: Option<usize>,
    taken: bool,
}

/// The nearest of opposite sides stand next to each other on the line of time; once they are taken, their neighbours do.
fn nearest(old: &[&Decision], new: &[&Decision], olds: &[bool], news: &[bool], window: Span) -> Vec<(usize, usize)> {
    let point = |at, old, new| Point { at, old, new, before: None, after: None, taken: false };
    let left = (0..old.len()).filter(|o| olds[*o]).map(|o| point(old[o].at.0, Some(o), None));
    let right = (0..new.len()).filter(|n| news[*n]).map(|n| point(new[n].at.0, None, Some(n)));
    let mut line: Vec<Point> = left.chain(right).collect();
    line.sort_by_key(|point| (point.at, point.new));
    let count = line.len();
    for (index, point) in line.iter_mut().enumerate() {
        point.before = index.checked_sub(1);
        point.after = Some(index + 1).filter(|after| *after < count);
    }
    let mut candidates = BinaryHeap::new();
    let consider = |line: &[Point], a: usize, b: usize, candidates: &mut BinaryHeap<_>| {
        let gap = line[b].at.abs_diff(line[a].at);
        if line[a].old.is_some() != line[b].old.is_some() && gap <= window.0 {
            candidates.push(Reverse((gap, a, b)));
        }
    };
    (1..count).for_each(|index| consider(&line, index - 1, index, &mut candidates));
    let mut pairs = Vec::new();
    while let Some(Reverse((_, a, b))) = candidates.pop() {
        if line[a].taken || line[b].taken {
            continue;
        }
        line[a].taken = true;
        line[b].taken = true;
        if let (Some(o), Some(n)) = (line[a].old.or(line[b].old), line[a].new.or(line[b].new)) {
            pairs.push((o, n));
        }
        let (before, after) = (line[a].before, line[b].after);
        if let Some(before) = before {
            line[before].after = after;
        }
        if let Some(after) = after {
            line[after].before = before;
        }
        if let (Some(before), Some(after)) = (before, after) {
            consider(&line, before, after, &mut candidates);
        }
    }
    pairs
}
