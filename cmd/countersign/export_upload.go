package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/countersign/countersign/config"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// bucket is where the bundle is to be put; nil: nowhere. It is known before the bundle is made.
func (o exportOrder) bucket(env environment) (*lockedBucket, error) {
	if !o.upload {
		return nil, nil
	}
	cfg, err := config.Load(o.settings, env.getenv, os.ReadFile)
	if err != nil {
		return nil, err
	}
	to, err := bucketOf(cfg)
	if err == nil && to == nil {
		err = errors.New("the settings have no bucket\n  hint: set COUNTERSIGN_BUCKET, or name the server's settings with --config; docs/locked-bundles.md")
	}
	return to, err
}

// uploadTo puts the bundle into the bucket, and on record that it is there. If we stop between, the same
// export again finds it there.
func (o exportOrder) uploadTo(ctx context.Context, env environment, to *lockedBucket, n store.Tenant, made exported) error {
	stored, err := o.put(ctx, to, made)
	if err != nil {
		return fmt.Errorf("%s is written and on record, and is not known to be locked in the bucket: %w\n  hint: then run the same export again, with --log-size %d: it has the same bytes",
			o.out, err, made.manifest.LogSize)
	}
	a := store.Access{What: store.AccessStored, By: made.by, LogSize: made.manifest.LogSize, ManifestSHA256: made.digest, Stored: &stored}
	if a.Query, err = json.Marshal(made.manifest.Query); err == nil {
		err = n.RecordAccess(ctx, a)
	}
	if err != nil {
		return fmt.Errorf("the bundle is in the bucket as %s, and that could not be put on record: %w", stored.Object, err)
	}
	fmt.Fprintf(env.stdout, "It is in the bucket %s as %s, version %s, and locked there until %s (%s). That is on record.\n",
		stored.Bucket, stored.Object, stored.VersionID, policy.WhenUTC(stored.LockedUntil), stored.Mode)
	return nil
}

func (o exportOrder) put(ctx context.Context, to *lockedBucket, made exported) (store.Stored, error) {
	file, err := os.Open(o.out)
	if err != nil {
		return store.Stored{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return store.Stored{}, err
	}
	return to.put(ctx, lockedFile{
		org: made.org.ID, query: made.manifest.Query, sha256: hex.EncodeToString(made.sum.Sum(nil)), bytes: info.Size(), until: to.until(time.Now()),
	}, file)
}
