// Package bucket puts files into a bucket of an S3-compatible storage and locks each of them until a date
// (object lock): before it, nobody changes or deletes what was put there.
//
// What it returns was read back: that a version of the object is there, that it has the content, and the
// lock on that version. No error holds a key's secret.
package bucket

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Settings are which bucket it is, and as whom it is used.
type Settings struct {
	Endpoint        string // address of the storage, without a path
	Region          string
	Name            string
	AccessKeyID     string
	SecretAccessKey string
	// UserAgent is this program, "countersign/1.2".
	UserAgent string
}

// Bucket is a bucket of a storage. It may be used concurrently.
type Bucket struct {
	name string
	core minio.Core
}

// File is what is put into the bucket.
type File struct {
	Key    string // name of the object
	SHA256 [sha256.Size]byte
	Bytes  int64
	Mode   Mode
	Until  time.Time // to the second
}

// Mode is how strong a lock is, in the storage's words.
type Mode string

// The modes of a lock. What is locked in the mode Compliance nobody deletes before its date, and nobody
// makes the date an earlier one; in the mode Governance whoever was given the right to does both.
const (
	Compliance = Mode(minio.Compliance)
	Governance = Mode(minio.Governance)
)

// Locked is a version of an object and its lock, as the storage says.
type Locked struct {
	VersionID string
	Mode      Mode
	Until     time.Time // UTC
}

// holds says whether a lock is at least the one that was asked for.
func (l Locked) holds(f File) bool {
	return (l.Mode == f.Mode || l.Mode == Compliance) && !l.Until.Before(f.Until)
}

// asked is the lock, or says that it is not as it was asked for.
func (l Locked) asked(f File) (Locked, error) {
	if !l.holds(f) {
		return Locked{}, notLocked(l, f)
	}
	return l, nil
}

// MostBytes is how large a file is at most: more does not go in one request, in which the storage compares
// the digest of the whole.
const MostBytes = 5 << 30

const (
	// answered is how long the storage may take for what moves no file, and connected for a connection.
	answered  = 30 * time.Second
	connected = 10 * time.Second
	// slowest is how many bytes go in a second, at least.
	slowest = 128 << 10
)

// moved is how long a file may take.
func moved(bytes int64) time.Duration {
	return time.Minute + time.Duration(bytes/slowest)*time.Second
}

// New makes a bucket of the settings. It asks the storage nothing.
func New(s Settings) (*Bucket, error) {
	u, err := url.Parse(s.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("bucket: address of the storage: %w", err)
	}
	core, err := minio.NewCore(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(s.AccessKeyID, s.SecretAccessKey, ""), Secure: u.Scheme == "https", Region: s.Region,
		Transport: transport(), MaxRetries: 1, // whoever puts a file tries again, and says when
	})
	if err != nil {
		return nil, fmt.Errorf("bucket: %w", err)
	}
	program, version, _ := strings.Cut(s.UserAgent, "/")
	core.SetAppInfo(program, version)
	return &Bucket{s.Name, *core}, nil
}

func transport() *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: connected}).DialContext, TLSHandshakeTimeout: connected, ForceAttemptHTTP2: true,
		// After the last byte of a file the storage hashes all of it before it answers.
		ResponseHeaderTimeout: 2 * time.Minute, IdleConnTimeout: time.Minute, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
	}
}

// Put has a file in the bucket, locked. If an object of this name and content is there already, it is not
// put again, and its lock is made to last as long if it does not. content is read once, from where it is.
//
// The error is a *Problem, or the context's.
func (b *Bucket) Put(ctx context.Context, f File, content io.Reader) (Locked, error) {
	if f.Bytes > MostBytes {
		return Locked{}, &Problem{What: fmt.Sprintf("The file has %d bytes, and the storage takes %d in one request.", f.Bytes, int64(MostBytes)), Do: "Export a shorter period, or with a sample."}
	}
	o, err := b.look(ctx, f, "")
	if err != nil {
		return Locked{}, err
	}
	if o.same {
		return b.keep(ctx, f, o)
	}
	version, err := b.write(ctx, f, content)
	if err != nil {
		return Locked{}, err
	}
	if o, err = b.look(ctx, f, version); err == nil && !o.same {
		err = &Problem{What: "The storage took the file and now has something else in its place.", Do: "Look at the storage: what it says of itself cannot be relied on."}
	}
	if err != nil {
		return Locked{}, err
	}
	return o.asked(f)
}

// write puts the object, with its lock, and returns its version. The storage refuses it if the content has
// another digest: the request names it, and is signed with it.
func (b *Bucket) write(ctx context.Context, f File, content io.Reader) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, moved(f.Bytes))
	defer cancel()
	// The client closes what can be closed.
	content = io.LimitReader(content, f.Bytes)
	info, err := b.core.PutObject(ctx, b.name, f.Key, content, f.Bytes, "", hex.EncodeToString(f.SHA256[:]), minio.PutObjectOptions{
		ContentType: "application/zip", Mode: minio.RetentionMode(f.Mode), RetainUntilDate: f.Until,
		UserMetadata: map[string]string{"X-Amz-Checksum-Sha256": checksum(f)}, DisableContentSha256: true,
	})
	if err != nil {
		return "", b.refused(ctx, err)
	}
	if !versioned(info.VersionID) {
		return "", notVersioned("The storage took the file and gave it no version, so it is not locked.")
	}
	return info.VersionID, nil
}

// versioned says whether an id is one of a version. AWS's have 1024 bytes at most.
func versioned(id string) bool {
	return id != "" && id != "null" && len(id) <= 1024 && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' })
}

// refused says why an object was not taken. AWS calls it an invalid request when the bucket has no object
// lock, and other things too.
func (b *Bucket) refused(ctx context.Context, err error) error {
	if code(err) == codeInvalid {
		var lacks *Problem
		if errors.As(b.locks(ctx), &lacks) && lacks.cause == nil {
			return lacks
		}
	}
	return problem("put the object", err)
}

// checksum is the digest of a file as the storage writes it.
func checksum(f File) string { return base64.StdEncoding.EncodeToString(f.SHA256[:]) }

// object is what the storage says of a version; its lock is the zero value if it has none.
type object struct {
	Locked
	same bool // it has the content of the file
}

// The headers of a lock. Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
const (
	headerMode  = "X-Amz-Object-Lock-Mode"
	headerUntil = "X-Amz-Object-Lock-Retain-Until-Date"
)

// look asks for a version of the object; without a version for the newest, of which there may be none. A
// storage that keeps no digest is asked for the content.
//
// One request says all of it. GetObjectRetention says no more, and not all storages name its answer as AWS does.
func (b *Bucket) look(ctx context.Context, f File, version string) (o object, err error) {
	short, cancel := context.WithTimeout(ctx, answered)
	defer cancel()
	info, err := b.core.StatObject(short, b.name, f.Key, minio.StatObjectOptions{VersionID: version, Checksum: true})
	if code(err) == minio.NoSuchKey && version == "" {
		return o, nil
	}
	if err != nil {
		return o, problem("look at the object", err)
	}
	o.VersionID = cmp.Or(version, info.VersionID)
	if mode := Mode(info.Metadata.Get(headerMode)); mode == Compliance || mode == Governance {
		o.Mode = mode
	}
	if until := info.Metadata.Get(headerUntil); until != "" {
		if o.Until, err = time.Parse(time.RFC3339, until); err != nil {
			return o, problem("read the lock", err)
		}
		o.Until = o.Until.UTC()
	}
	switch {
	case info.Size != f.Bytes:
	case info.ChecksumSHA256 != "":
		o.same = info.ChecksumSHA256 == checksum(f)
	default:
		o.same, err = b.reads(ctx, f, o.VersionID)
	}
	return o, err
}

// reads reads a version of the object, and says whether it is the file.
func (b *Bucket) reads(ctx context.Context, f File, version string) (same bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, moved(f.Bytes))
	defer cancel()
	content, _, _, err := b.core.GetObject(ctx, b.name, f.Key, minio.GetObjectOptions{VersionID: version})
	if err != nil {
		return false, problem("read the object", err)
	}
	defer content.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, io.LimitReader(content, f.Bytes+1)); err != nil {
		return false, problem("read the object", err)
	}
	return [sha256.Size]byte(sum.Sum(nil)) == f.SHA256, nil
}

// keep has a version that is there locked for as long as the file is to be. A lock never becomes shorter.
func (b *Bucket) keep(ctx context.Context, f File, o object) (Locked, error) {
	if !versioned(o.VersionID) {
		return Locked{}, notVersioned("The file is there without a version, so it is not locked.")
	}
	if o.holds(f) {
		return o.Locked, nil
	}
	short, cancel := context.WithTimeout(ctx, answered)
	defer cancel()
	mode := minio.RetentionMode(f.Mode)
	err := b.core.PutObjectRetention(short, b.name, f.Key, minio.PutObjectRetentionOptions{Mode: &mode, RetainUntilDate: &f.Until, VersionID: o.VersionID})
	if err != nil {
		return Locked{}, problem("extend the lock", err)
	}
	if o, err = b.look(ctx, f, o.VersionID); err != nil {
		return Locked{}, err
	}
	return o.asked(f)
}

// Check says what keeps files from being locked here, as far as that is seen without putting one: nil means
// that the bucket is reached, is versioned, and has object lock.
//
// The error is a *Problem, or the context's.
func (b *Bucket) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answered)
	defer cancel()
	versioning, err := b.core.GetBucketVersioning(ctx, b.name)
	if err != nil {
		return problem("read whether it is versioned", err)
	}
	if !versioning.Enabled() {
		return notVersioned("The bucket is not versioned, and so nothing in it can be locked.")
	}
	return b.locks(ctx)
}

// locks says whether the bucket has object lock.
func (b *Bucket) locks(ctx context.Context) error {
	enabled, _, _, _, err := b.core.GetObjectLockConfig(ctx, b.name)
	switch {
	case code(err) == codeNoLock, err == nil && enabled != "Enabled":
		return withoutLock()
	case err != nil:
		return problem("read whether it has object lock", err)
	}
	return nil
}
