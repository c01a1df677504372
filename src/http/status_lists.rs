//! `GET /status-lists/{id}` and the aggregation of all lists (draft-ietf-oauth-status-list-21 §8, §9.3).

use actix_web::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY};
use actix_web::{HttpRequest, HttpResponse, web};

use super::caching;
use super::error::{Error, plain};
use crate::oauth::{self, Provider};
use crate::protocol::status_list::StatusListAggregation;
use crate::status::{PublishError, TTL};

pub async fn list(
    provider: web::Data<Provider>,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    // What another instance revoked is in the list, or there is none.
    provider.confirm().await?;
    let found = match id.parse() {
        Ok(id) => provider.lists.document(id).await.map_err(refused)?,
        Err(_) => None,
    };
    let Some(document) = found else {
        return Ok(plain(HttpResponse::NotFound(), "not_found", "No such status list."));
    };
    let gzip = caching::prefers_gzip(&request);
    // Another representation has another tag (RFC 9110 §8.8.3.3).
    let etag = if gzip { document.etag.replacen('"', "\"gzip-", 1) } else { document.etag.clone() };
    let unchanged = caching::is_known(&request, &etag);
    let mut answer = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer
        .insert_header((CACHE_CONTROL, format!("public, max-age={TTL}")))
        .insert_header((ETAG, etag))
        .insert_header((VARY, "accept-encoding"))
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
    if unchanged {
        return Ok(answer.finish());
    }
    answer.insert_header((CONTENT_TYPE, "application/statuslist+jwt"));
    Ok(if gzip {
        answer.insert_header((CONTENT_ENCODING, "gzip")).body(document.gzip.clone())
    } else {
        answer.body(document.token.clone())
    })
}

pub async fn aggregation(provider: web::Data<Provider>) -> Result<HttpResponse, Error> {
    let status_lists = provider.lists.addresses().await.map_err(oauth::Error::from)?;
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, format!("public, max-age={TTL}")))
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .json(StatusListAggregation { status_lists }))
}

fn refused(error: PublishError) -> Error {
    Error::OAuth(match error {
        PublishError::Store(error) => error.into(),
        PublishError::Sign(error) => error.into(),
        PublishError::NoKey => oauth::Error::Internal(PublishError::NoKey.to_string()),
    })
}
