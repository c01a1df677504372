#!/bin/sh
# The password grant, a call to the API, refresh, introspection and revocation, with curl alone.
#
# Needs ISSUER, CLIENT_ID, CLIENT_SECRET, USERNAME and PASSWORD in the environment. CA_FILE is the certificate authority
# to trust (PEM), API_URL a resource that a token with scope `read` may be used for; both may be absent.
# The exit status is 0 only if every answer was the expected one.
set -eu
: "${ISSUER:?}" "${CLIENT_ID:?}" "${CLIENT_SECRET:?}" "${USERNAME:?}" "${PASSWORD:?}"

fail() {
    echo "curl: $*" >&2
    exit 1
}

# A value inside the double quotes of a curl configuration.
quoted() { printf '%s' "$1" | sed 's/[\\"]/\\&/g'; }

# A string member of a flat JSON object. Where jq is at hand, use that.
member() { printf '%s' "$2" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

# call NAME=VALUE…: one request; leaves its status in $status and its body in $body. The options reach curl by standard
# input, because every user of a machine can read the arguments of its processes.
call() {
    answer=$({
        [ -z "${CA_FILE:-}" ] || printf 'cacert = "%s"\n' "$(quoted "$CA_FILE")"
        for option; do printf '%s = "%s"\n' "${option%%=*}" "$(quoted "${option#*=}")"; done
    } | curl --silent --show-error --max-time 30 --write-out '\n%{http_code}' --config -)
    status=${answer##*
}
    body=${answer%
*}
}

# as_client URL NAME=VALUE…: a form, sent by the client. (A client_id with characters other than letters, digits and
# `-._` is percent-encoded here, RFC 6749 §2.3.1.)
as_client() {
    endpoint=$1
    shift
    for parameter; do
        shift
        set -- "$@" "data-urlencode=$parameter"
    done
    call "url=$endpoint" "user=$CLIENT_ID:$CLIENT_SECRET" "$@"
}

call "url=$ISSUER/.well-known/oauth-authorization-server"
[ "$status" = 200 ] || fail "metadata: $status $body"
[ "$(member issuer "$body")" = "$ISSUER" ] || fail "the metadata is another issuer's: $body"
token_endpoint=$(member token_endpoint "$body")
introspection_endpoint=$(member introspection_endpoint "$body")
revocation_endpoint=$(member revocation_endpoint "$body")

as_client "$token_endpoint" grant_type=password "username=$USERNAME" "password=$PASSWORD"
[ "$status" = 200 ] || fail "password grant: $status $body"
access_token=$(member access_token "$body")
refresh_token=$(member refresh_token "$body")
[ -n "$access_token" ] && [ -n "$refresh_token" ] || fail "password grant: a token is missing"
echo "curl: password grant: an access token and a refresh token"

if [ -n "${API_URL:-}" ]; then
    call "url=$API_URL"
    [ "$status" = 401 ] || fail "the API without a token: $status"
    call "url=$API_URL" "header=Authorization: Bearer $access_token"
    [ "$status" = 200 ] || fail "the API: $status $body"
    echo "curl: the API answers: $body"
fi

as_client "$token_endpoint" grant_type=refresh_token "refresh_token=$refresh_token"
[ "$status" = 200 ] || fail "refresh: $status $body"
access_token=$(member access_token "$body")
successor=$(member refresh_token "$body")
[ -n "$successor" ] && [ "$successor" != "$refresh_token" ] || fail "refresh: the refresh token was not replaced"
echo "curl: refresh: new tokens; the old refresh token is used up"

as_client "$introspection_endpoint" "token=$access_token"
case $status$body in
200*'"active":true'*) echo "curl: introspection: active" ;;
*) fail "introspection: $status $body" ;;
esac

as_client "$revocation_endpoint" "token=$successor"
[ "$status" = 200 ] || fail "revocation: $status $body"
as_client "$introspection_endpoint" "token=$access_token"
[ "$status$body" = '200{"active":false}' ] || fail "introspection after revocation: $status $body"
as_client "$token_endpoint" grant_type=refresh_token "refresh_token=$successor"
[ "$status$(member error "$body")" = 400invalid_grant ] || fail "refresh after revocation: $status $body"
echo "curl: revocation: both tokens are inactive"
