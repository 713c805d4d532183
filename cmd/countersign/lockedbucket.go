package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/countersign/countersign/bucket"
	"github.com/countersign/countersign/config"
	"github.com/countersign/countersign/evidence"
	"github.com/countersign/countersign/store"
)

// lockedBucket is the bucket of the settings, and how bundles are locked in it.
type lockedBucket struct {
	*bucket.Bucket
	is config.Bucket
}

// bucketOf is the bucket of the settings; nil: they have none.
func bucketOf(cfg *config.Config) (*lockedBucket, error) {
	is := cfg.Bucket
	if is.Name == "" {
		return nil, nil
	}
	b, err := bucket.New(bucket.Settings{Endpoint: is.Endpoint, Region: is.Region, Name: is.Name, AccessKeyID: is.AccessKeyID, SecretAccessKey: is.SecretAccessKey, UserAgent: "countersign/" + version})
	return &lockedBucket{b, is}, err
}

// lockedFile is the file of a bundle that is to be in the bucket.
type lockedFile struct {
	org    int64
	query  evidence.Query
	sha256 string // hexadecimal
	bytes  int64
	until  time.Time
}

// until is when the lock of a bundle ends that is made at a time. Storages count in seconds.
func (l *lockedBucket) until(made time.Time) time.Time {
	return made.Add(l.is.Keep).UTC().Truncate(time.Second).Add(time.Second)
}

// object is the name of a file's object. Each organisation has a folder of its own, by its id, which does not
// change; and no two files have one name.
func (l *lockedBucket) object(f lockedFile) string {
	return fmt.Sprintf("%s%d/%s-%s-%s.zip", l.is.Prefix, f.org, f.query.From.Format(time.DateOnly), f.query.To.Add(-time.Nanosecond).Format(time.DateOnly), f.sha256)
}

// put has a file in the bucket, and says where it is and until when it is locked there.
func (l *lockedBucket) put(ctx context.Context, f lockedFile, content io.Reader) (store.Stored, error) {
	of := bucket.File{Key: l.object(f), Bytes: f.bytes, Mode: bucket.Compliance, Until: f.until}
	if l.is.Mode == config.LockGovernance {
		of.Mode = bucket.Governance
	}
	if n, err := hex.Decode(of.SHA256[:], []byte(f.sha256)); err != nil || n != len(of.SHA256) {
		return store.Stored{}, fmt.Errorf("digest %q of a bundle: %d bytes (%w)", f.sha256, n, err)
	}
	locked, err := l.Put(ctx, of, content)
	return store.Stored{
		Endpoint: l.is.Endpoint, Bucket: l.is.Name, Object: of.Key, VersionID: locked.VersionID, SHA256: f.sha256, Bytes: f.bytes,
		Mode: string(locked.Mode), LockedUntil: locked.Until,
	}, err
}
