package s3sim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const algorithm = "AWS4-HMAC-SHA256"

// verify checks the signature of a request (version 4, in its header) and the digest of its body, as they
// are documented and not as the client has them.
//
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
func verify(r *http.Request, body []byte, now time.Time) *failure {
	denied := func(code, message string) *failure { return refuse(http.StatusForbidden, code, message) }
	scheme, fields, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if scheme != algorithm {
		return denied("AccessDenied", "Anonymous users cannot do this.")
	}
	auth := map[string]string{}
	for field := range strings.SplitSeq(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		auth[name] = value
	}
	stamp := r.Header.Get("X-Amz-Date")
	at, err := time.Parse("20060102T150405Z", stamp)
	if err != nil {
		return denied("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
	}
	if now.Sub(at).Abs() > 15*time.Minute {
		return denied("RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
	}
	keyID, scope, _ := strings.Cut(auth["Credential"], "/")
	switch {
	case keyID != AccessKeyID:
		return denied("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
	case scope != stamp[:8]+"/"+Region+"/s3/aws4_request":
		return refuse(http.StatusBadRequest, "AuthorizationHeaderMalformed", "The authorization header is malformed; the region is wrong; expecting '"+Region+"'")
	}
	signed := strings.Split(auth["SignedHeaders"], ";")
	if missing := unsigned(r, signed); missing != "" {
		return denied("AccessDenied", "There were headers present in the request which were not signed: "+missing)
	}
	sum := sha256.Sum256(body)
	payload := r.Header.Get("X-Amz-Content-Sha256")
	// AWS takes bodies that are not signed, over TLS. Here only one that is empty need not be.
	if payload != hex.EncodeToString(sum[:]) && (payload != "UNSIGNED-PAYLOAD" || len(body) > 0) {
		return refuse(http.StatusBadRequest, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	request := strings.Join([]string{r.Method, encoded(r.URL.Path, true), query(r.URL.Query()), headers(r, signed), auth["SignedHeaders"], payload}, "\n")
	digest := sha256.Sum256([]byte(request))
	key := []byte("AWS4" + Secret)
	for _, part := range strings.Split(scope, "/") {
		key = mac(key, part)
	}
	want := hex.EncodeToString(mac(key, algorithm+"\n"+stamp+"\n"+scope+"\n"+hex.EncodeToString(digest[:])))
	if !hmac.Equal([]byte(want), []byte(auth["Signature"])) {
		return denied("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method.")
	}
	return nil
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// unsigned is a header that must be signed and is not; empty: there is none.
func unsigned(r *http.Request, signed []string) string {
	if !slices.Contains(signed, "host") {
		return "host"
	}
	for name := range r.Header {
		name = strings.ToLower(name)
		if (strings.HasPrefix(name, "x-amz-") || name == "content-md5") && !slices.Contains(signed, name) {
			return name
		}
	}
	return ""
}

// headers are the signed ones, one in a line, each with its line's end.
func headers(r *http.Request, signed []string) string {
	var out strings.Builder
	for _, name := range signed {
		values := slices.Clone(r.Header.Values(name))
		switch name {
		case "host":
			values = []string{r.Host}
		case "content-length":
			values = []string{strconv.FormatInt(r.ContentLength, 10)}
		}
		for i, v := range values {
			values[i] = strings.Join(strings.Fields(v), " ")
		}
		out.WriteString(name + ":" + strings.Join(values, ",") + "\n")
	}
	return out.String()
}

// query is the sorted query.
func query(q url.Values) string {
	var out []string
	for name, values := range q {
		for _, v := range values {
			out = append(out, encoded(name, false)+"="+encoded(v, false))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "&")
}

// encoded is text with everything but the unreserved characters of RFC 3986 as %XY; a path keeps its slashes.
func encoded(text string, path bool) string {
	const hexDigits = "0123456789ABCDEF"
	var out strings.Builder
	for _, b := range []byte(text) {
		switch {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', strings.IndexByte("-._~", b) >= 0, path && b == '/':
			out.WriteByte(b)
		default:
			out.WriteString("%" + string(hexDigits[b>>4]) + string(hexDigits[b&15]))
		}
	}
	return out.String()
}
