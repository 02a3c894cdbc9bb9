//! What a destination asks for (`Retry-After`), what a rule takes for a no, and how a try is shown.

use super::*;
use crate::domain::StatusCodes;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// One try of a fresh event that is refused with this wish.
fn refused(rule: Option<RetryRule>, asked: RetryAfter) -> (Walk, Then) {
    let mut walk = Walk::new(fresh(), 5);
    walk.rule = rule;
    walk.retry_after = Some(asked);
    walk.input(START);
    let then = walk.finish(503).1;
    (walk, then)
}

fn codes(texts: &[&str]) -> Option<RetryRule> {
    let response_status_codes = texts.iter().map(|text| StatusCodes::parse(text).unwrap()).collect();
    Some(RetryRule { response_status_codes, ..rule(5) })
}

#[test]
fn the_destination_says_when_to_the_second_with_a_rule_or_without() {
    for rule in [None, Some(rule(1)), codes(&["!503"])] {
        let at = |ms| Then::Timer { due_at: T0.plus_ms(ms) };
        assert_eq!(refused(rule.clone(), RetryAfter::Seconds(120)).1, at(120_000), "{rule:?}");
        assert_eq!(refused(rule.clone(), RetryAfter::At(T0.plus_ms(61_000))).1, at(61_000));
        assert_eq!(refused(rule.clone(), RetryAfter::Seconds(0)).1, at(1000), "not at once");
        assert_eq!(refused(rule.clone(), RetryAfter::At(Timestamp::EPOCH)).1, at(1000));
        assert_eq!(refused(rule, RetryAfter::Never).1, Then::Settle);
    }
}

#[test]
fn what_lies_beyond_a_week_after_the_first_attempt_is_not_waited_for() {
    assert!(matches!(refused(None, RetryAfter::Seconds(7 * 24 * 3600)).1, Then::Timer { .. }));
    assert_eq!(refused(Some(rule(5)), RetryAfter::Seconds(7 * 24 * 3600 + 1)).1, Then::Settle);
    let (mut walk, _) = refused(None, RetryAfter::Seconds(6 * 24 * 3600));
    walk.now = T0.plus_ms(6 * DAY_MS);
    walk.input(START);
    walk.retry_after = Some(RetryAfter::Seconds(2 * 24 * 3600));
    assert_eq!(walk.finish(503).1, Then::Settle, "counted from the first attempt");
    assert_eq!(walk.phase(), Phase::Failed);
}

#[test]
fn a_destination_that_always_asks_gets_fifty_retries() {
    let (mut walk, mut then) = refused(Some(rule(1)), RetryAfter::Seconds(1));
    while let Then::Timer { due_at } = then {
        walk.now = due_at;
        walk.input(START);
        then = walk.finish(503).1;
    }
    assert_eq!((walk.delivery.event.attempts.len(), walk.phase()), (51, Phase::Failed));
}

#[test]
fn success_leaves_no_wish() {
    let mut walk = Walk::new(fresh(), 5);
    walk.retry_after = Some(RetryAfter::Seconds(5));
    walk.input(START);
    assert_eq!(walk.finish(200).1, Then::Settle);
}

#[test]
fn a_manual_try_moves_the_automatic_one_behind_it_and_makes_none() {
    let cases = [
        (RetryAfter::Seconds(60), Then::Timer { due_at: T0.plus_ms(60_000) }),
        // Never earlier than it would have been.
        (RetryAfter::Seconds(1), Then::Timer { due_at: T0.plus_ms(30_000) }),
        (RetryAfter::Never, Then::Settle),
        (RetryAfter::Seconds(8 * 24 * 3600), Then::Settle),
    ];
    for (asked, expected) in cases {
        let mut walk = Walk::new(fresh(), 5);
        walk.rule = Some(RetryRule { interval_ms: Some(30_000), ..rule(5) });
        walk.input(START);
        walk.finish(500);
        walk.input(RETRY);
        walk.input(START);
        walk.retry_after = Some(asked);
        assert_eq!(walk.finish(503).1, expected, "{asked:?}");
    }
    let mut walk = Walk::new(Delivery::at_rest(event(Phase::Failed)), 5);
    walk.retry_after = Some(RetryAfter::Seconds(1));
    walk.input(RETRY);
    walk.input(START);
    assert_eq!(walk.finish(503).1, Then::Settle);
}

#[test]
fn a_rule_says_which_answers_are_tried_again() {
    let first = |rule: Option<RetryRule>, status| {
        let mut walk = Walk::new(fresh(), 5);
        walk.rule = rule;
        walk.input(START);
        let then = walk.finish(status).1;
        (walk.delivery.event.attempts[0].status, then)
    };
    let again = Then::Timer { due_at: T0.plus_ms(1000) };
    assert_eq!(first(codes(&["500-599"]), 404), (AttemptStatus::Failed, Then::Settle));
    assert_eq!(first(codes(&["500-599"]), 503), (AttemptStatus::Failed, again));
    assert_eq!(first(codes(&["202"]), 202), (AttemptStatus::Failed, again), "a 2xx that means a no");
    assert_eq!(first(codes(&["202"]), 200), (AttemptStatus::Successful, Then::Settle));
    assert_eq!(first(codes(&["202"]), 500), (AttemptStatus::Failed, Then::Settle));
    assert_eq!(first(None, 202), (AttemptStatus::Successful, Then::Settle));
    // No answer at all is no status.
    let mut walk = Walk::new(fresh(), 5);
    walk.rule = codes(&["404"]);
    walk.input(START);
    assert_eq!(walk.input(Input::Died).1, again);
}

#[test]
fn what_waited_for_a_pause_to_end_is_shown_so_and_goes_on_as_what_it_was() {
    let mut walk = Walk::new(fresh(), 1);
    walk.unpaused_at = Some(T0);
    assert_eq!(walk.input(START).1, send(1, AttemptTrigger::Unpause));
    let due_at = T0.plus_ms(1000);
    assert_eq!(walk.finish(500).1, Then::Timer { due_at });
    walk.now = due_at.plus_ms(10);
    walk.unpaused_at = Some(due_at);
    assert_eq!(walk.input(START).1, send(2, AttemptTrigger::Unpause));
    assert_eq!(walk.finish(500).1, Then::Settle, "it was the only automatic retry");
    assert_eq!(walk.delivery.event.automatic_used, 1);
    let mut walk = Walk::new(Delivery::at_rest(event(manual(T0.plus_ms(1), None))), 5);
    walk.unpaused_at = Some(T0);
    assert_eq!(walk.input(START).1, send(1, AttemptTrigger::Manual), "it became due after the pause");
}

#[test]
fn a_try_that_may_have_gone_out_is_marked_until_its_record() {
    let mut walk = Walk::new(fresh(), 1);
    let Then::Send(attempt) = walk.input(Input::Start { resumed: true }).1 else { panic!("it is sent") };
    assert!(attempt.resumed);
    walk.finish(500);
    walk.now = T0.plus_ms(1000);
    walk.input(START);
    walk.finish(200);
    let marks: Vec<_> = walk.delivery.event.attempts.iter().map(|attempt| attempt.resumed).collect();
    assert_eq!(marks, [true, false]);
}

#[test]
fn what_follows_is_known_before_the_try() {
    let rule = RetryRule { strategy: RetryStrategy::Exponential, ..rule(2) };
    let follow_up = |walk: &Walk, input| {
        let Then::Send(attempt) = walk.delivery.clone().step(input, &walk.moment()).then else { panic!("it is sent") };
        attempt.follow_up.delay_ms(walk.rule.as_ref(), walk.now)
    };
    let mut walk = Walk::new(fresh(), 2);
    walk.rule = Some(rule);
    for delay in [Some(1000), Some(2000), None] {
        assert_eq!(follow_up(&walk, START), delay);
        walk.input(START);
        if let Then::Timer { due_at } = walk.finish(500).1 {
            walk.now = due_at;
        }
    }
    let mut behind = Walk::new(Delivery::at_rest(event(manual(T0, Some(T0.plus_ms(700))))), 5);
    assert_eq!(follow_up(&behind, START), Some(700));
    behind.delivery = Delivery::at_rest(event(manual(T0, None)));
    assert_eq!(follow_up(&behind, START), None);
}
