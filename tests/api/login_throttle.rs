//! The brake on guessing passwords: by name, by address, by both; for whom it is not; and how it ends.

use futures_util::future::join_all;
use signet::admin::settings::SettingsChange;
use signet::oauth::purge::Purge;

use crate::on_both;
use crate::support::app::{Answer, App};
use crate::support::bulk::count;
use crate::support::guesses::{behind_a_proxy, change};

const HERE: &str = "192.0.2.1";
const ELSEWHERE: &str = "198.51.100.1";

/// Documentation addresses in plenty (RFC 2544).
fn address(number: usize) -> String {
    format!("198.18.{}.{}", number / 250, number % 250 + 1)
}

/// How many were refused as wrong, and how many were not looked at.
#[track_caller]
fn sorted(answers: &[Answer]) -> (usize, usize) {
    let (wrong, throttled): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 400);
    wrong.iter().for_each(|answer| answer.refused(400, "invalid_grant"));
    throttled.iter().for_each(|answer| answer.refused(429, "temporarily_unavailable"));
    (wrong.len(), throttled.len())
}

fn retry_after(answer: &Answer) -> i64 {
    answer.refused(429, "temporarily_unavailable");
    answer.header("retry-after").parse().unwrap()
}

/// Everything of an answer but the moment and the request.
fn visible(answer: &Answer) -> (u16, String, String, Vec<String>) {
    let mut names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
    names.sort();
    (answer.status, answer.text.clone(), answer.header("retry-after").to_owned(), names)
}

/// Guesses from many addresses until nobody is let in under the name who is not known.
async fn attack(app: &App, name: &str) {
    for number in 0..21 {
        app.wrong(&address(number + 500), name).await;
    }
    app.right("203.0.113.99", name).await.refused(429, "temporarily_unavailable");
}

on_both! {
    async fn of_forty_guesses_at_once_the_limit_is_hashed_and_no_more_also_on_two_instances(app) {
        app.user("bob").await;
        let (one, two) = (behind_a_proxy(&app).await, behind_a_proxy(&app).await);
        for (name, instances, places, limit) in [
            ("alice", [&one, &one], 1, 10),
            ("bob", [&one, &two], 1, 10),
            ("nobody", [&one, &two], 1, 10),
            // From everywhere together.
            ("carol", [&one, &two], 40, 20),
        ] {
            let before = one.hashes() + two.hashes();
            let from: Vec<String> = (0..40).map(|number| format!("203.0.113.{}", number % places)).collect();
            let guesses = from.iter().enumerate().map(|(number, from)| instances[number % 2].wrong(from, name));
            assert_eq!(sorted(&join_all(guesses).await), (limit, 40 - limit), "{name}");
            assert_eq!(one.hashes() + two.hashes() - before, limit, "{name}");
        }
    }

    async fn spelling_variants_of_a_name_share_one_counter(app) {
        app.user("Zoë").await;
        let app = behind_a_proxy(&app).await;
        let variants = ["Zoë", "zoë", " ZOË ", "zoe\u{308}", "ＺＯË"];
        for round in 0..10 {
            app.wrong(HERE, variants[round % variants.len()]).await.refused(400, "invalid_grant");
        }
        for variant in variants {
            app.right(HERE, variant).await.refused(429, "temporarily_unavailable");
        }
    }

    async fn names_that_nobody_has_are_throttled_alike(app) {
        let app = behind_a_proxy(&app).await;
        let mut courses = Vec::new();
        for (name, from) in [("alice", HERE), ("nobody", ELSEWHERE)] {
            let mut course = Vec::new();
            for _ in 0..13 {
                course.push(visible(&app.wrong(from, name).await));
            }
            course.push(visible(&app.right(from, name).await));
            courses.push(course);
        }
        assert_eq!(courses[0], courses[1]);
        assert_eq!(courses[0].iter().filter(|(status, ..)| *status == 429).count(), 4);
    }

    async fn a_user_at_a_known_address_logs_in_while_the_name_is_attacked_from_elsewhere(app) {
        let app = behind_a_proxy(&app).await;
        app.right(HERE, "alice").await.tokens();
        attack(&app, "alice").await;
        app.right(HERE, "ALICE").await.tokens();
        let everywhere = "2001:db8:1:2::1";
        app.right(everywhere, "alice").await.refused(429, "temporarily_unavailable");
        app.advance(30);
        app.right(everywhere, "alice").await.tokens();
        app.right("2001:db8:1:2:ffff::9", "alice").await.tokens();
        // Long after the last login from there, it is an address as any other.
        attack(&app, "alice").await;
        app.right(HERE, "alice").await.tokens();
        app.advance(91 * 86_400);
        attack(&app, "alice").await;
        app.right(HERE, "alice").await.refused(429, "temporarily_unavailable");
    }

    async fn who_guesses_other_names_at_a_known_address_does_not_lock_the_user_there(app) {
        app.user("bob").await;
        let app = behind_a_proxy(&app).await;
        change(&app, SettingsChange { login_limit_per_address: Some(6), ..SettingsChange::default() }).await;
        app.right(HERE, "alice").await.tokens();
        for number in 0..6 {
            app.wrong(HERE, &format!("guessed-{number}")).await.refused(400, "invalid_grant");
        }
        app.right(HERE, "bob").await.refused(429, "temporarily_unavailable");
        app.right(HERE, "alice").await.tokens();
        app.right(ELSEWHERE, "bob").await.tokens();
        // Also there, only so many guesses are let through.
        let before = app.hashes();
        let guesses = join_all((0..40).map(|_| app.wrong(HERE, "alice"))).await;
        assert_eq!((sorted(&guesses), app.hashes() - before), ((20, 20), 20));
    }

    async fn a_block_ends_by_itself_grows_to_its_limit_and_is_not_prolonged_by_what_it_refuses(app) {
        let app = behind_a_proxy(&app).await;
        let limits = SettingsChange {
            login_limit_per_pair: Some(2),
            login_longest_block: Some(100),
            login_window: Some(300),
            ..SettingsChange::default()
        };
        change(&app, limits).await;
        app.wrong(HERE, "alice").await.refused(400, "invalid_grant");
        for pause in [30, 60, 100, 100] {
            app.wrong(HERE, "alice").await.refused(400, "invalid_grant");
            assert_eq!(retry_after(&app.right(HERE, "alice").await), pause);
            app.advance(pause - 1);
            for _ in 0..4 {
                assert_eq!(retry_after(&app.right(HERE, "alice").await), 1);
            }
            app.advance(1);
        }
        // The attempts count on for the window, then all begins anew.
        app.wrong(HERE, "alice").await.refused(400, "invalid_grant");
        assert_eq!(retry_after(&app.right(HERE, "alice").await), 100);
        app.advance(100 + 300);
        for _ in 0..2 {
            app.wrong(HERE, "alice").await.refused(400, "invalid_grant");
        }
        assert_eq!(retry_after(&app.right(HERE, "alice").await), 30);
        app.advance(30);
        app.right(HERE, "alice").await.tokens();
    }

    async fn a_success_begins_the_counter_of_the_pair_anew_and_gives_the_other_slots_back(app) {
        app.user("bob").await;
        let app = behind_a_proxy(&app).await;
        let limits = SettingsChange {
            login_limit_per_pair: Some(3),
            login_limit_per_known_pair: Some(3),
            login_limit_per_name: Some(3),
            login_limit_per_address: Some(3),
            ..SettingsChange::default()
        };
        change(&app, limits).await;
        for number in 0..8 {
            app.right(&address(number), "alice").await.tokens();
        }
        for _ in 0..4 {
            for _ in 0..2 {
                app.wrong(HERE, "bob").await.refused(400, "invalid_grant");
            }
            app.right(HERE, "bob").await.tokens();
            app.advance(10_000);
        }
        // The last attempt that is allowed ends the block that it began.
        for _ in 0..2 {
            app.wrong(ELSEWHERE, "bob").await.refused(400, "invalid_grant");
        }
        app.right(ELSEWHERE, "bob").await.tokens();
        app.right(ELSEWHERE, "alice").await.tokens();
        app.right(&address(99), "bob").await.tokens();
        // But what failed under other names from an address is not forgiven for a right login there.
        app.wrong(ELSEWHERE, "nobody").await.refused(400, "invalid_grant");
        app.wrong(ELSEWHERE, "no-one").await.refused(429, "temporarily_unavailable");
    }

    async fn what_was_counted_survives_a_restart(app) {
        let first = behind_a_proxy(&app).await;
        for _ in 0..10 {
            first.wrong(HERE, "alice").await.refused(400, "invalid_grant");
        }
        let other = behind_a_proxy(&app).await;
        assert_eq!(retry_after(&other.right(HERE, "alice").await), 30);
    }

    async fn limits_are_changed_at_run_time_and_may_be_switched_off(app) {
        let app = behind_a_proxy(&app).await;
        change(&app, SettingsChange { login_throttling: Some(false), ..SettingsChange::default() }).await;
        for _ in 0..25 {
            app.wrong(HERE, "alice").await.refused(400, "invalid_grant");
        }
        assert_eq!(count(&app.config.database_url, "login_throttles").await, 0);
        let on = SettingsChange {
            login_throttling: Some(true),
            login_limit_per_pair: Some(1),
            ..SettingsChange::default()
        };
        change(&app, on).await;
        app.wrong(HERE, "alice").await.refused(400, "invalid_grant");
        assert_eq!(retry_after(&app.right(HERE, "alice").await), 30);
        change(&app, SettingsChange { login_throttling: Some(false), ..SettingsChange::default() }).await;
        app.right(HERE, "alice").await.tokens();
    }

    async fn who_finds_no_place_in_the_queue_has_not_used_up_an_attempt(app) {
        let settings = [("SIGNET_PASSWORD_WORKERS", "1"), ("SIGNET_PASSWORD_QUEUE", "0")];
        let parameters = signet::password::Parameters::new(32 * 1024, 4, 1).unwrap();
        let variant = crate::support::app::Variant { parameters, settings: &settings, ..Default::default() };
        let slow = app.variant(variant).await;
        let before = slow.hashes();
        let answers = join_all((0..30).map(|_| slow.wrong(HERE, "nobody"))).await;
        let busy = answers.iter().filter(|answer| answer.status == 503).count();
        let looked_at = slow.hashes() - before;
        assert!(busy >= 20 && looked_at < 10, "{busy} busy, {looked_at} hashed");
        for _ in looked_at..10 {
            slow.wrong(HERE, "nobody").await.refused(400, "invalid_grant");
        }
        slow.wrong(HERE, "nobody").await.refused(429, "temporarily_unavailable");
    }

    async fn what_no_longer_counts_is_removed_and_a_user_has_so_many_known_addresses(app) {
        let app = behind_a_proxy(&app).await;
        let rows = async |table| count(&app.config.database_url, table).await;
        for number in 0..25 {
            app.advance(1);
            app.right(&address(number), "alice").await.tokens();
        }
        assert_eq!(rows("known_addresses").await, 20);
        attack(&app, "alice").await;
        app.right(&address(24), "alice").await.tokens();
        let purge = async || {
            Purge::new(app.provider.store.clone(), app.clock.clone(), app.provider.entropy.clone()).everything().await.unwrap()
        };
        assert_eq!(purge().await.login_throttles, 0);
        app.advance(31 + 900);
        assert!(purge().await.login_throttles > 20);
        assert_eq!((rows("login_throttles").await, rows("known_addresses").await), (0, 20));
        app.advance(90 * 86_400);
        assert_eq!((purge().await.known_addresses, rows("known_addresses").await), (20, 0));
        app.right(HERE, "alice").await.tokens();
        app.admin().delete_user("alice").await.unwrap();
        assert_eq!(rows("known_addresses").await, 0);
    }

    async fn right_logins_that_reach_a_limit_together_wait_no_longer_the_next_time(app) {
        change(&app, SettingsChange { login_limit_per_address: Some(2), ..SettingsChange::default() }).await;
        let office = behind_a_proxy(&app).await;
        // Each for the first time from there: known, it would have a counter of its own.
        let names: Vec<_> = (0..16).map(|number| format!("employee-{number}")).collect();
        for name in &names {
            app.user(name).await;
        }
        let mut waits = Vec::new();
        for together in names.chunks(4) {
            let answers = join_all(together.iter().map(|name| office.right(HERE, name))).await;
            waits.extend(answers.iter().filter(|answer| answer.status != 200).map(retry_after));
        }
        assert!(!waits.is_empty(), "not one of four came while two were at it");
        assert!(waits.iter().all(|wait| *wait <= 30), "{waits:?}");
        office.right(HERE, "alice").await.tokens();
    }

    async fn a_login_from_a_known_address_asks_the_database_three_times(app) {
        let app = behind_a_proxy(&app).await;
        app.right(HERE, "alice").await.tokens();
        let before = app.provider.store.checkouts();
        app.right(HERE, "alice").await.tokens();
        assert_eq!(app.provider.store.checkouts() - before, 3, "the user, the slot, the grant");
        let before = app.provider.store.checkouts();
        for _ in 0..10 {
            app.wrong(ELSEWHERE, "alice").await;
        }
        app.wrong(ELSEWHERE, "alice").await.refused(429, "temporarily_unavailable");
        assert_eq!(app.provider.store.checkouts() - before, 10 * 2 + 2 + 1, "two events; what is blocked is only read");
    }
}
