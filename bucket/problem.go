package bucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/minio/minio-go/v7"
)

// Problem is why a file is not in the bucket, or is not known to be locked there.
type Problem struct {
	// What says what happened, for people who do not run the server: without an address, and without
	// a word of the storage's but its code.
	What string
	// Do says what to do, for whoever runs the server.
	Do string
	// cause is what the connection or the storage said; nil: nothing.
	cause error
}

// Error says all of it, for whoever runs the server.
func (p *Problem) Error() string {
	out := p.What
	if p.cause != nil {
		out += " (" + p.cause.Error() + ")"
	}
	return out + "\n  hint: " + p.Do
}

// Unwrap is what the connection or the storage said.
func (p *Problem) Unwrap() error { return p.cause }

// Codes of the storage that minio-go has no names for.
const (
	codeNoLock        = "ObjectLockConfigurationNotFoundError"
	codeInvalid       = "InvalidRequest"
	codeWrongEndpoint = "PermanentRedirect"
)

// code is the storage's code of an error; empty: it is none of its errors.
func code(err error) string {
	var said minio.ErrorResponse
	if !errors.As(err, &said) {
		return ""
	}
	return said.Code
}

// problem says in our words what an error is, while something was being done.
func problem(doing string, err error) error {
	var said minio.ErrorResponse
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("bucket: %s: %w", doing, err)
	case !errors.As(err, &said):
		return unheard(doing, err)
	}
	// What the storage says may hold anything, and of any length.
	said.Message = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, said.Message[:min(len(said.Message), 300)])
	p := &Problem{cause: fmt.Errorf("%s: HTTP %d: %s", doing, said.StatusCode, said.Message)}
	switch said.Code {
	case minio.NoSuchBucket:
		p.What, p.Do = "The bucket is not there.", "Make it, with object lock, or correct COUNTERSIGN_BUCKET and COUNTERSIGN_BUCKET_ENDPOINT."
	case minio.AccessDenied:
		p.What, p.Do = "The storage refuses: the access key is not known, its secret is another one, or it may not do this.",
			"Compare COUNTERSIGN_BUCKET_ACCESS_KEY_ID and its secret, and what the key may do, with docs/locked-bundles.md, and look at the clock of this server."
	case minio.InvalidAccessKeyID, minio.SignatureDoesNotMatch:
		p.What, p.Do = "The storage does not know the access key, or its secret is another one.", "Correct COUNTERSIGN_BUCKET_ACCESS_KEY_ID and its secret."
	case minio.RequestTimeTooSkewed:
		p.What, p.Do = "The clock of this server and the storage's are too far apart.", "Let NTP set the clock."
	case minio.AuthorizationHeaderMalformed, minio.InvalidRegion, codeWrongEndpoint:
		p.What, p.Do = "The bucket is in another region, or at another address.", "Correct COUNTERSIGN_BUCKET_REGION and COUNTERSIGN_BUCKET_ENDPOINT."
	case minio.BadDigest, minio.XAmzContentSHA256Mismatch:
		p.What, p.Do = "What arrived at the storage is not the file as it was made.", "Look at the disk of the folder for bundles, and make the bundle again."
	case codeNoLock:
		return withoutLock()
	default:
		p.What, p.Do = fmt.Sprintf("The storage answered %s.", plain(said)), "Look at the storage, and at COUNTERSIGN_BUCKET_ENDPOINT and COUNTERSIGN_BUCKET_REGION."
	}
	return p
}

// plain is the storage's code, or its status, as it can be shown to anybody.
func plain(said minio.ErrorResponse) string {
	letters := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, said.Code)
	if letters != said.Code || len(letters) > 64 || letters == "" {
		return fmt.Sprintf("%d %s", said.StatusCode, http.StatusText(said.StatusCode))
	}
	return letters
}

// unheard is about an answer that did not come, or cannot be read. What is around an error of the connection
// has the address.
func unheard(doing string, err error) error {
	p := &Problem{What: "What the storage answered cannot be read.", Do: "Look at COUNTERSIGN_BUCKET_ENDPOINT: is it a storage that speaks S3, without something between?", cause: fmt.Errorf("%s: %w", doing, err)}
	var around *url.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		p.What, p.cause = "The storage did not answer in time.", fmt.Errorf("%s: %w", doing, context.DeadlineExceeded)
	case errors.As(err, &around):
		p.What, p.cause = "The storage cannot be reached.", fmt.Errorf("%s: %w", doing, around.Err)
	default:
		return p
	}
	p.Do = "Let this server reach COUNTERSIGN_BUCKET_ENDPOINT, and trust its certificate."
	return p
}

// notVersioned and withoutLock are about buckets in which nothing is locked.
func notVersioned(what string) error {
	return &Problem{What: what, Do: "Make a bucket with object lock, which is versioned, and name it in COUNTERSIGN_BUCKET: docs/locked-bundles.md says how."}
}

func withoutLock() error {
	return &Problem{What: "The bucket has no object lock, so nothing in it is safe from being deleted.",
		Do: "Make a bucket with object lock and name it in COUNTERSIGN_BUCKET: docs/locked-bundles.md says how. Most storages cannot turn it on for a bucket that is there."}
}

// notLocked is about a lock that is not the one that was asked for.
func notLocked(l Locked, f File) error {
	p := &Problem{What: fmt.Sprintf("The file is in the bucket, and is NOT locked as asked for: its lock is %s until %s, and %s until %s was asked for.",
		l.Mode, l.Until.Format(time.RFC3339), f.Mode, f.Until.UTC().Format(time.RFC3339)),
		Do: "Look at the bucket's rules of retention, and at what the access key may do: docs/locked-bundles.md."}
	if l.Mode == "" {
		// AWS leaves the lock out of its answer for a key that may not read it.
		p.What = "The file is in the bucket, and is NOT known to be locked: the storage took the lock and shows none."
		p.Do = "Give the access key the right to read it (s3:GetObjectRetention), or use a storage that has object lock of S3: docs/locked-bundles.md."
	}
	return p
}
