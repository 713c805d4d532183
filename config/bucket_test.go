package config

import (
	"io/fs"
	"strings"
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	files := func(name string) ([]byte, error) {
		switch name {
		case "c.yml":
			return []byte("bucket: {name: acme-evidence, region: eu-central-1, access_key_id: AKIA, secret_access_key_file: key, retention: 7y}\n"), nil
		case "key":
			return []byte("s3cret\n"), nil
		case "empty":
			return []byte("\n"), nil
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	c, err := Load("c.yml", env(good...), files)
	want := Bucket{Name: "acme-evidence", Endpoint: "https://s3.amazonaws.com", Region: "eu-central-1", AccessKeyID: "AKIA", SecretAccessKey: "s3cret", SecretAccessKeyFile: "key",
		Retention: "7y", Mode: LockCompliance, Keep: 7 * 365 * 24 * time.Hour}
	if err != nil || c.Bucket != want {
		t.Errorf("got %+v (%v), want %+v", c, err, want)
	}
	if c, err := Load("", env(good...), files); err != nil || c.Bucket != (Bucket{}) {
		t.Errorf("without one: got %+v, %v", c, err)
	}
	const b = "COUNTERSIGN_BUCKET"
	for name, set := range map[string]struct {
		env  []string
		says string // empty: fine
	}{
		"another storage":      {[]string{b + "_ENDPOINT", "https://minio.example:9000", b + "_PREFIX", "evidence/countersign/", b + "_MODE", "governance", b + "_RETENTION", "1d"}, ""},
		"this machine":         {[]string{b + "_ENDPOINT", "http://127.0.0.1:9000"}, ""},
		"in the clear":         {[]string{b + "_ENDPOINT", "http://minio.example:9000"}, "COUNTERSIGN_BUCKET_ENDPOINT: must be an https address"},
		"with a login":         {[]string{b + "_ENDPOINT", "https://s3cret@minio.example"}, "COUNTERSIGN_BUCKET_ENDPOINT: must be"},
		"with a path":          {[]string{b + "_ENDPOINT", "https://minio.example/evidence"}, "COUNTERSIGN_BUCKET_ENDPOINT: must be"},
		"no address":           {[]string{b + "_ENDPOINT", "minio.example"}, "COUNTERSIGN_BUCKET_ENDPOINT: must be"},
		"no name of a bucket":  {[]string{b, "Acme"}, `COUNTERSIGN_BUCKET: is "Acme"`},
		"no region":            {[]string{b + "_REGION", "eu/west"}, "COUNTERSIGN_BUCKET_REGION"},
		"prefix, no slash":     {[]string{b + "_PREFIX", "evidence"}, "COUNTERSIGN_BUCKET_PREFIX"},
		"prefix from the root": {[]string{b + "_PREFIX", "/evidence/"}, "COUNTERSIGN_BUCKET_PREFIX"},
		"prefix of two":        {[]string{b + "_PREFIX", "a//b/"}, "COUNTERSIGN_BUCKET_PREFIX"},
		"for ever":             {[]string{b + "_RETENTION", "forever"}, `COUNTERSIGN_BUCKET_RETENTION: is "forever"`},
		"for how long":         {[]string{b + "_RETENTION", "90"}, `COUNTERSIGN_BUCKET_RETENTION: is "90"`},
		"no mode":              {[]string{b + "_MODE", "COMPLIANCE"}, `COUNTERSIGN_BUCKET_MODE: is "COMPLIANCE"`},
		"two secrets":          {[]string{b + "_SECRET_ACCESS_KEY", "s3cret"}, "are both set: keep one"},
		"no file":              {[]string{b + "_SECRET_ACCESS_KEY_FILE", "gone"}, "bucket.secret_access_key_file: open gone"},
		"empty file":           {[]string{b + "_SECRET_ACCESS_KEY_FILE", "empty"}, "has no key in it"},
	} {
		_, err := Load("c.yml", env(append(set.env, good...)...), files)
		if (err == nil) != (set.says == "") || err != nil && (!strings.Contains(err.Error(), set.says) || strings.Contains(err.Error(), "s3cret")) {
			t.Errorf("%s: got %v, want %q and no secret", name, err, set.says)
		}
	}
	// Half of it is not off: whoever sets it expects bundles there.
	_, err = Load("", env(append([]string{b + "_RETENTION", "1y"}, good...)...), files)
	for _, want := range []string{"COUNTERSIGN_BUCKET: is not set", "COUNTERSIGN_BUCKET_ACCESS_KEY_ID: is not set", "COUNTERSIGN_BUCKET_SECRET_ACCESS_KEY_FILE: is not set"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("half of it: got %v, want %q", err, want)
		}
	}
}
