package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/countersign/countersign/evidence"
	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/store"
)

// bundler makes bundles of evidence: for the command export, and for the pages.
type bundler struct {
	key    *ledger.Key
	github string // address of GitHub for people, without a slash at its end
}

// bundleOrder is what one is made of.
type bundleOrder struct {
	login string // of the organisation
	by    store.Who
	size  int64 // of the log; 0: as it is now
	query evidence.Query
	// progress is told what is being done and how much of it is; nil: nobody is.
	progress func(doing string, done, total int64)
}

// tenantLog is a log of one organisation as bundles are made of it.
type tenantLog interface {
	evidence.Log
	tenant() store.Tenant
}

// options are those of an export, but for what puts it on record.
func (b bundler) options(ctx context.Context, n store.Tenant, o bundleOrder) (evidence.Options, error) {
	origin, err := b.originOf(ctx, n, o.size)
	if err != nil {
		return evidence.Options{}, fmt.Errorf("the log of %s: %w", o.login, err)
	}
	return evidence.Options{
		Organisation: o.login, GitHub: b.github, Origin: origin, Generator: "countersign " + version, Size: o.size, Key: b.key.Public(), Signer: b.key,
		Query: o.query, Progress: o.progress,
	}, nil
}

// export writes a bundle, and puts it on record before it is one. It returns the digest of its manifest.
func (b bundler) export(ctx context.Context, log tenantLog, o bundleOrder, w io.Writer) (m evidence.Manifest, digest string, err error) {
	options, err := b.options(ctx, log.tenant(), o)
	if err != nil {
		return m, "", err
	}
	options.Record = func(m evidence.Manifest, encoded []byte) error {
		sum := sha256.Sum256(encoded)
		digest = hex.EncodeToString(sum[:])
		if err := recordExport(ctx, log.tenant(), m, digest, o.by); err != nil {
			return fmt.Errorf("put the export on record: %w", err)
		}
		return nil
	}
	m, err = evidence.Export(ctx, log, options, w)
	return m, digest, err
}

// look reads what a bundle would say.
func (b bundler) look(ctx context.Context, log tenantLog, o bundleOrder) (evidence.Preview, error) {
	options, err := b.options(ctx, log.tenant(), o)
	if err != nil {
		return evidence.Preview{}, err
	}
	return evidence.Look(ctx, log, options)
}

// originOf is what the log is called at a size, when it is signed with the key.
func (b bundler) originOf(ctx context.Context, n store.Tenant, size int64) (string, error) {
	keys, err := n.LogKeys(ctx)
	if err != nil {
		return "", err
	}
	held := keys[0]
	for _, k := range keys {
		if size == 0 || k.From <= size {
			held = k
		}
	}
	if held.Public != b.key.Public() {
		return "", fmt.Errorf("it was signed with another key then: %s\n  hint: --key names the key that signed it", held.Public)
	}
	return held.Origin, nil
}

// exportedLog is the log of one organisation as an export reads it.
type exportedLog struct{ store.Tenant }

func (l exportedLog) tenant() store.Tenant { return l.Tenant }

func (l exportedLog) Checkpoint(ctx context.Context, size int64) ([]byte, int64, error) {
	if size == 0 {
		return l.Tenant.Checkpoint(ctx)
	}
	signed, err := l.CheckpointAt(ctx, size)
	return signed, size, err
}

func (l exportedLog) DecisionAlone(ctx context.Context, leaf int64) (evidence.RecordedDecision, error) {
	decision, err := l.DecidedAt(ctx, leaf)
	if err != nil {
		return evidence.RecordedDecision{}, err
	}
	_, salt, body, err := l.RecordAt(ctx, leaf)
	return evidence.RecordedDecision{Salt: salt, Body: body, Decision: decision}, err
}

func (l exportedLog) Decision(ctx context.Context, leaf int64) (evidence.RecordedDecision, error) {
	d, err := l.DecisionAt(ctx, leaf)
	if err != nil {
		return evidence.RecordedDecision{}, err
	}
	_, salt, body, err := l.RecordAt(ctx, leaf)
	return evidence.RecordedDecision{Salt: salt, Body: body, Decision: d.Decision, Facts: d.Facts, Policy: d.Policy, Catalogue: d.Catalogue}, err
}

func (l exportedLog) Cosigned(ctx context.Context, size int64) ([]evidence.CosignedCheckpoint, error) {
	list, err := l.Tenant.Cosigned(ctx, size)
	if err != nil {
		return nil, err
	}
	var out []evidence.CosignedCheckpoint
	for _, c := range list {
		out = append(out, evidence.CosignedCheckpoint{Witness: c.Witness, Checkpoint: string(c.Note), Proof: c.Proof})
	}
	return out, nil
}
