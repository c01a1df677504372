//! Status-list indexes: each token or grant has one that no other has, they are leased by demand, and a revoked one stays
//! revoked when everything that it belonged to is gone.

use std::collections::HashSet;

use signet::protocol::client::GrantType;
use signet::protocol::jwk::Algorithm;
use signet::status::{StatusIndex, Taker};
use signet::store::clients;
use signet::store::status::{self, StatusLease};
use uuid::Uuid;

use crate::on_both;
use crate::support::app::{API, App, Tokens};

const FORM: [(&str, &str); 1] = [("grant_type", "client_credentials")];

fn index(tokens: &Tokens) -> StatusIndex {
    let claim = &tokens.claims()["status"]["status_list"];
    let (_, list) = claim["uri"].as_str().unwrap().rsplit_once('/').unwrap();
    StatusIndex { list: list.parse().unwrap(), index: claim["idx"].as_i64().unwrap() }
}

async fn client_key(app: &App, client_id: &str) -> Uuid {
    let mut connection = app.provider.store.reading().await.unwrap();
    clients::find(&mut connection, client_id).await.unwrap().unwrap().id
}

/// The client's leases in the order of their making.
async fn leases(app: &App, client: Uuid) -> Vec<StatusLease> {
    let mut connection = app.provider.store.reading().await.unwrap();
    let mut leases = status::leases_of_clients(&mut connection, Some(client), None).await.unwrap();
    leases.sort_by_key(|lease| (lease.status_list_id, lease.first_index));
    leases
}

async fn sizes(app: &App, client: Uuid) -> Vec<i64> {
    leases(app, client).await.iter().map(|lease| lease.size).collect()
}

/// A token that the client takes for itself.
fn own(client: Uuid) -> Taker<'static> {
    Taker::Client { client, algorithm: Algorithm::ES256, kid: "a key" }
}

async fn take(app: &App, client: Uuid, count: usize) -> HashSet<StatusIndex> {
    let mut taken = HashSet::new();
    for _ in 0..count {
        taken.insert(app.provider.statuses.next(own(client)).await.unwrap());
    }
    assert_eq!(taken.len(), count);
    taken
}

async fn is_revoked(app: &App, StatusIndex { list, index }: StatusIndex) -> bool {
    let mut connection = app.provider.store.reading().await.unwrap();
    status::revoked_at(&mut connection, list, index).await.unwrap().is_some()
}

on_both! {
    async fn no_two_tokens_or_grants_share_an_index_whoever_issues_them(app) {
        let other = app.second_instance().await;
        let secret = app.client("other", &[API], &[GrantType::ClientCredentials], None).await.unwrap();
        let mut seen = HashSet::new();
        for _ in 0..40 {
            for instance in [&app, &other] {
                let own = instance.token(&FORM).await.tokens();
                let others = instance.post_as("/oauth2/token", ("other", &secret), &FORM).await.tokens();
                let users = instance.log_in().await;
                for tokens in [own, others, users] {
                    assert!(seen.insert(index(&tokens)), "{:?}", index(&tokens));
                }
            }
        }
        let positions: Vec<i64> = seen.iter().map(|status| status.index).collect();
        assert!(positions.iter().all(|position| (0..1 << 20).contains(position)));
    }

    async fn neighbours_in_time_are_no_neighbours_in_the_list(app) {
        let mut order = Vec::new();
        for _ in 0..32 {
            order.push(index(&app.token(&FORM).await.tokens()).index);
        }
        let steps = order.windows(2).filter(|pair| pair[1] == pair[0] + 1).count();
        assert!(steps < 8, "{order:?}");
    }

    async fn leases_grow_under_demand_and_never_overlap(app) {
        let client = client_key(&app, "erp").await;
        let mut taken = take(&app, client, 64).await;
        assert_eq!(sizes(&app, client).await, [64]);
        taken.extend(take(&app, client, 256).await);
        taken.extend(take(&app, client, 1).await);
        assert_eq!((sizes(&app, client).await, taken.len()), (vec![64, 256, 1024], 321));
        let leases = leases(&app, client).await;
        for pair in leases.windows(2) {
            assert!(pair[0].first_index + pair[0].size <= pair[1].first_index, "{pair:?}");
        }
        let within = |status: &StatusIndex| {
            leases.iter().any(|lease| (lease.first_index..lease.first_index + lease.size).contains(&status.index))
        };
        assert!(taken.iter().all(within));
    }

    async fn a_lease_that_lasts_is_followed_by_the_same_and_one_that_lasts_long_by_a_smaller_one(app) {
        let client = client_key(&app, "erp").await;
        take(&app, client, 64 + 1).await;
        app.advance(120);
        take(&app, client, 255 + 1).await;
        assert_eq!(sizes(&app, client).await, [64, 256, 256], "two minutes are neither short nor long");
        app.advance(601);
        take(&app, client, 255 + 1).await;
        assert_eq!(sizes(&app, client).await, [64, 256, 256, 64]);
        app.advance(601);
        take(&app, client, 63 + 1).await;
        assert_eq!(sizes(&app, client).await, [64, 256, 256, 64, 64], "no smaller than that");
    }

    async fn a_block_is_handed_out_for_six_hours_and_then_followed_by_another(app) {
        let client = client_key(&app, "erp").await;
        let first = take(&app, client, 1).await;
        app.advance(6 * 3600 - 1);
        take(&app, client, 1).await;
        assert_eq!(sizes(&app, client).await, [64]);
        app.advance(1);
        let next = take(&app, client, 1).await;
        assert_eq!(sizes(&app, client).await, [64, 64]);
        assert!(next.iter().all(|status| status.index >= 64) && first.iter().all(|status| status.index < 64));
    }

    async fn a_full_list_is_followed_by_one_new_list_for_all_instances(app) {
        let other = app.second_instance().await;
        let client = client_key(&app, "erp").await;
        take(&app, client, 1).await;
        app.sql("UPDATE status_lists SET size = allocated").await;
        // The rest of the lease is still good; then everybody wants the next list at once.
        take(&app, client, 63).await;
        let next = |instance: &App| {
            let statuses = instance.provider.clone();
            async move { statuses.statuses.next(own(client)).await.unwrap() }
        };
        let (here, there, grant) =
            tokio::join!(next(&app), next(&other), app.provider.statuses.next(Taker::Grant));
        let grant = grant.unwrap();
        assert_eq!((here.list, there.list, grant.list), (2, 2, 2));
        assert!(here != there && here != grant && there != grant);
        assert_eq!(index(&app.token(&FORM).await.tokens()).list, 2);
    }

    async fn a_revoked_index_stays_revoked_when_its_user_or_client_is_gone(app) {
        let (users, own) = (app.log_in().await, app.token(&FORM).await.tokens());
        let secret = app.client("other", &[API], GrantType::ALL, None).await.unwrap();
        let others = app.post_as("/oauth2/token", ("other", &secret), &FORM).await.tokens();
        app.admin().delete_user("alice").await.unwrap();
        assert!(is_revoked(&app, index(&users)).await);
        assert!(!is_revoked(&app, index(&own)).await && !is_revoked(&app, index(&others)).await);
        app.admin().delete_client("erp").await.unwrap();
        assert!(is_revoked(&app, index(&users)).await && is_revoked(&app, index(&own)).await);
        assert!(!is_revoked(&app, index(&others)).await, "another client's token is left alone");
        app.synchronise().await;
        let answer = app.post_as("/oauth2/introspect", ("other", &secret), &[("token", &others.access_token)]).await;
        assert_eq!(answer.json()["active"], true);
    }

    async fn a_client_made_again_under_the_same_name_gets_nothing_of_the_old_one(app) {
        let (users, own) = (app.log_in().await, app.token(&FORM).await.tokens());
        app.admin().delete_client("erp").await.unwrap();
        app.synchronise().await;
        let secret = app.client("erp", &[API], GrantType::ALL, None).await.unwrap();
        for token in [&users.access_token, &own.access_token] {
            assert!(!app.is_active(token).await);
        }
        let form = [("grant_type", "refresh_token"), ("refresh_token", users.refresh())];
        app.post_as("/oauth2/token", ("erp", &secret), &form).await.refused(400, "invalid_grant");
        let new = app.post_as("/oauth2/token", ("erp", &secret), &FORM).await.tokens();
        assert_ne!(index(&new), index(&own));
    }
}
