//! What photos of one worker take if links carry as many bits as was asked for and nothing is slower than it ever was.
//!
//! ```text
//! due ─ generate ─> link, a photo at a time ─ latency ─> queue ─> a free classifier: decode, infer, reply ─> link ─> answer
//! ```

use crate::Hop;

/// What computing takes with nothing in its way, milliseconds.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_field_names, reason = "each is a time with its unit")]
pub(super) struct Native {
    pub(super) generate_ms: f64,
    pub(super) decode_ms: f64,
    pub(super) infer_ms: f64,
    pub(super) reply_ms: f64,
}

/// One photo on its way to a worker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Photo {
    /// By one clock for all.
    pub(super) due_ms: f64,
    pub(super) bytes: u64,
    /// Which of the ways it takes.
    pub(super) way: usize,
    pub(super) native: Native,
}

/// There and back between an endpoint and its worker; `None` = they are on one node.
#[derive(Debug, Clone, Copy)]
pub(super) struct RoundWay {
    pub(super) there: Option<Hop>,
    pub(super) back: Option<Hop>,
    pub(super) answer_bytes: u64,
}

/// Stages of one photo that do not come from its [`Native`], milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[expect(clippy::struct_field_names, reason = "each is a time with its unit")]
pub(super) struct Times {
    pub(super) uplink_ms: f64,
    pub(super) queue_ms: f64,
    pub(super) downlink_ms: f64,
}

fn in_order_of(count: usize, at_ms: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| at_ms(*a).total_cmp(&at_ms(*b)));
    order
}

/// Takes the one of these that is free first from when it is wanted, and tells when that is.
fn take_first_free(free_ms: &mut [f64], wanted_ms: f64, for_ms: f64) -> f64 {
    let first = free_ms.iter_mut().min_by(|a, b| a.total_cmp(b));
    let Some(first) = first else {
        return wanted_ms;
    };
    let begun_ms = wanted_ms.max(*first);
    *first = begun_ms + for_ms;
    begun_ms
}

/// Of each photo, in their order. All that share a worker must be there, since they wait for each other.
pub(super) fn times(photos: &[Photo], ways: &[RoundWay], classifiers: usize) -> Vec<Times> {
    let mut times = vec![Times::default(); photos.len()];
    let sent_ms = |photo: &Photo| photo.due_ms + photo.native.generate_ms;
    let mut links_ms = vec![f64::NEG_INFINITY; ways.len()];
    let sent_at = |index: usize| photos.get(index).map_or(0.0, sent_ms);
    for index in in_order_of(photos.len(), sent_at) {
        let (Some(photo), Some(times)) = (photos.get(index), times.get_mut(index)) else {
            continue;
        };
        let (Some(way), Some(link_ms)) = (ways.get(photo.way), links_ms.get_mut(photo.way)) else {
            continue;
        };
        if let Some(there) = way.there {
            let sending_ms = there.sending_ms(photo.bytes);
            let link_ms = std::slice::from_mut(link_ms);
            let begun_ms = take_first_free(link_ms, sent_ms(photo), sending_ms);
            times.uplink_ms = begun_ms + sending_ms + there.latency_ms - sent_ms(photo);
        }
        if let Some(back) = way.back {
            times.downlink_ms = back.sending_ms(way.answer_bytes) + back.latency_ms;
        }
    }
    let arrived_ms: Vec<f64> = photos
        .iter()
        .zip(&times)
        .map(|(photo, times)| sent_ms(photo) + times.uplink_ms)
        .collect();
    let arrived_at = |index: usize| arrived_ms.get(index).copied().unwrap_or_default();
    let mut classifiers_ms = vec![f64::NEG_INFINITY; classifiers];
    for index in in_order_of(photos.len(), arrived_at) {
        let (Some(photo), Some(times)) = (photos.get(index), times.get_mut(index)) else {
            continue;
        };
        let Native {
            decode_ms,
            infer_ms,
            reply_ms,
            ..
        } = photo.native;
        let busy_ms = decode_ms + infer_ms + reply_ms;
        let arrived_ms = arrived_at(index);
        times.queue_ms = take_first_free(&mut classifiers_ms, arrived_ms, busy_ms) - arrived_ms;
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    const NATIVE: Native = Native {
        generate_ms: 1.0,
        decode_ms: 3.0,
        infer_ms: 20.0,
        reply_ms: 2.0,
    };

    /// A byte each microsecond, 7 ms away.
    const HOP: Hop = Hop {
        rate_mbit: 8.0,
        latency_ms: 7.0,
        mtu_bytes: 1500,
    };
    const WAY: RoundWay = RoundWay {
        there: Some(HOP),
        back: Some(HOP),
        answer_bytes: 934,
    };

    fn photo(due_ms: f64, way: usize) -> Photo {
        Photo {
            due_ms,
            // Seven packets: 10 kB with headers, 10 ms of the link.
            bytes: 9538,
            way,
            native: NATIVE,
        }
    }

    fn rounded(times: &[Times]) -> Vec<[i64; 3]> {
        let microseconds = |ms: f64| (ms * 1000.0).round() as i64;
        let of_one = |t: &Times| [t.uplink_ms, t.queue_ms, t.downlink_ms].map(microseconds);
        times.iter().map(of_one).collect()
    }

    #[test]
    fn a_photo_alone_takes_what_its_bits_and_the_latency_take() {
        let times = times(&[photo(0.0, 0)], &[WAY], 1);
        assert_eq!(rounded(&times), [[17_000, 0, 8_000]]);
    }

    #[test]
    fn photos_of_one_endpoint_wait_for_its_link_and_those_of_two_for_the_worker() {
        // Two at the same time on one link: the second is sent when the first is, and 10 ms later at a worker that is busy
        // for 25: it waits for 15.
        let one = times(&[photo(0.0, 0), photo(0.0, 0)], &[WAY], 1);
        assert_eq!(rounded(&one), [[17_000, 0, 8_000], [27_000, 15_000, 8_000]]);
        let two = times(&[photo(0.0, 0), photo(0.0, 1)], &[WAY; 2], 1);
        assert_eq!(rounded(&two), [[17_000, 0, 8_000], [17_000, 25_000, 8_000]]);
        let two_classifiers = times(&[photo(0.0, 0), photo(0.0, 1)], &[WAY; 2], 2);
        assert_eq!(rounded(&two_classifiers), [[17_000, 0, 8_000]; 2]);
    }

    #[test]
    fn the_queue_of_an_overloaded_worker_grows_by_what_it_is_behind() {
        // One each 20 ms, of which each takes 25: each waits 5 ms longer than the one before.
        let photos: Vec<Photo> = (0..4).map(|n| photo(f64::from(n) * 20.0, 0)).collect();
        let queues: Vec<i64> = rounded(&times(&photos, &[WAY], 1))
            .iter()
            .map(|[_, queue, _]| *queue)
            .collect();
        assert_eq!(queues, [0, 5_000, 10_000, 15_000]);
    }

    #[test]
    fn an_endpoint_alone_has_a_queue_and_no_ways() {
        let here = RoundWay {
            there: None,
            back: None,
            answer_bytes: 0,
        };
        let times = times(&[photo(0.0, 0), photo(10.0, 0)], &[here], 1);
        assert_eq!(rounded(&times), [[0, 0, 0], [0, 15_000, 0]]);
    }
}
