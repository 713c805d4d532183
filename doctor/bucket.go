package doctor

import (
	"context"
	"errors"

	"github.com/countersign/countersign/bucket"
	"github.com/countersign/countersign/config"
)

// bucket asks whether bundles can be locked where the settings want them. Whether the key may put them there
// is not tried: what is put stays.
func (e *examination) bucket(ctx context.Context) {
	is := e.cfg.Bucket
	if is.Name == "" {
		return
	}
	b, err := bucket.New(bucket.Settings{Endpoint: is.Endpoint, Region: is.Region, Name: is.Name, AccessKeyID: is.AccessKeyID, SecretAccessKey: is.SecretAccessKey, UserAgent: e.UserAgent})
	if err == nil {
		err = b.Check(ctx)
	}
	const setting = "COUNTERSIGN_BUCKET"
	var p *bucket.Problem
	switch {
	case errors.As(err, &p):
		e.find(Finding{Severity: High, Check: checkBucket, Subject: setting, What: "Bundles are not locked in " + is.Name + ": " + first(p), Remedy: p.Do})
		return
	case err != nil:
		e.find(Finding{Severity: High, Check: checkBucket, Subject: setting, What: "It was not looked at: " + first(err), Remedy: "Run doctor again."})
		return
	}
	e.observe(checkBucket, is.Name, "it is versioned and has object lock; bundles are locked for %s in the mode %s", is.Retention, is.Mode)
	if is.Mode == config.LockGovernance {
		e.find(Finding{Severity: Low, Check: checkBucket, Subject: "COUNTERSIGN_BUCKET_MODE", What: "In the mode governance, whoever was given the right to may delete bundles before their locks end.", Remedy: "Set compliance, unless you try it out."})
	}
}
