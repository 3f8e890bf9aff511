//! Shows how far a host that was started is behind the others, until it is not.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cordon_channel::Channel;
use cordon_client::Client;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

use crate::ledger::{height, progress_bar};
use crate::output::Output;

/// Others that cannot be asked, or are behind themselves, are asked again.
const RETRY: Duration = Duration::from_secs(2);
/// Longest wait for another host's answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Between two lines where there is no terminal.
const LINE: Duration = Duration::from_secs(5);

/// A channel, and who knows how many blocks it has.
pub(crate) struct CatchingUp {
    pub(crate) channel: Arc<Channel>,
    /// Hosts of the channel's members. Without any, this host has all blocks there are.
    pub(crate) others: Vec<Client>,
}

/// Tells of every channel how it catches up, and once it has. A host that nobody can be asked about is
/// not said to have.
pub(crate) async fn show(channels: Vec<CatchingUp>, output: Output) {
    let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
    let following = channels.iter().map(|one| follow(one, &bars, &output));
    futures::future::join_all(following).await;
}

async fn follow(one: &CatchingUp, bars: &MultiProgress, output: &Output) {
    let (channel, id) = (&one.channel, one.channel.id());
    let mut here = channel.commits().height();
    let mut shown: Option<ProgressBar> = None;
    loop {
        if channel.stopped().is_some() {
            return;
        }
        let Some(target) = target(one).await else {
            tokio::time::sleep(RETRY).await;
            continue;
        };
        let at = *here.borrow();
        if at >= target {
            break;
        }
        let bar = shown.get_or_insert_with(|| {
            let bar = bars.add(progress_bar(target));
            bar.set_position(at);
            // What was there before was not done now.
            bar.reset_eta();
            bar
        });
        bar.set_length(target);
        reach(&mut here, target, bar, &format!("channel {id}")).await;
    }
    if let Some(bar) = shown {
        bar.finish_and_clear();
    }
    output.note(&format!(
        "caught up: channel {id} has {} blocks",
        *here.borrow()
    ));
}

/// Waits until the host has `target` blocks, or until it is time to ask again.
async fn reach(
    here: &mut tokio::sync::watch::Receiver<u64>,
    target: u64,
    bar: &ProgressBar,
    what: &str,
) {
    let (began, from) = (Instant::now(), *here.borrow());
    let mut told = began;
    while began.elapsed() < 10 * LINE {
        let at = *here.borrow_and_update();
        bar.set_position(at);
        if at >= target {
            return;
        }
        if told.elapsed() >= LINE && !std::io::stderr().is_terminal() {
            told = Instant::now();
            let rate = at.saturating_sub(from) as f64 / began.elapsed().as_secs_f64();
            eprintln!("{}", line(what, at, target, rate));
        }
        // Nothing may come for long: the ordering can be away.
        let _ = tokio::time::timeout(LINE, here.changed()).await;
    }
}

/// `rate`: blocks per second.
fn line(what: &str, at: u64, target: u64, rate: f64) -> String {
    let left = if rate > 0.0 {
        format!("{:.0} s left", (target.saturating_sub(at)) as f64 / rate)
    } else {
        "waiting for the ordering log".to_owned()
    };
    format!("{what}: {at} of {target} blocks, {rate:.0} blocks/s, {left}")
}

/// The most blocks that any other host has; `None` when none can be asked.
async fn target(one: &CatchingUp) -> Option<u64> {
    if one.others.is_empty() {
        return Some(0);
    }
    let id = one.channel.id().as_str();
    let asking = one.others.iter().map(|other| {
        let asked = tokio::time::timeout(ANSWER_MAX, height(other, id));
        async { asked.await.ok()?.ok() }
    });
    let heights = futures::future::join_all(asking).await;
    heights.into_iter().flatten().max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long() {
        assert_eq!(
            line("channel cards", 250, 1_000, 50.0),
            "channel cards: 250 of 1000 blocks, 50 blocks/s, 15 s left"
        );
        assert_eq!(
            line("channel cards", 250, 1_000, 0.0),
            "channel cards: 250 of 1000 blocks, 0 blocks/s, waiting for the ordering log"
        );
    }
}
