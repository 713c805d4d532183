package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Bucket is where each bundle of evidence is put as well, locked until a date: a bucket of an
// S3-compatible storage, with object lock. Without a name there is none.
type Bucket struct {
	// Name is the bucket's.
	Name string `yaml:"name"`
	// Endpoint is the storage's address, without a path. Default "https://s3.amazonaws.com", which
	// leads to Region.
	Endpoint string `yaml:"endpoint"`
	// Region is the one that requests are signed for. Default "us-east-1".
	Region string `yaml:"region"`
	// Prefix is what the name of every object begins with; it ends with a slash. Default: nothing.
	Prefix string `yaml:"prefix"`
	// AccessKeyID says whose key SecretAccessKey is, or SecretAccessKeyFile names the file that has it.
	AccessKeyID         string `yaml:"access_key_id"`
	SecretAccessKey     string `yaml:"secret_access_key"`
	SecretAccessKeyFile string `yaml:"secret_access_key_file"`
	// Retention is for how long a bundle is locked from when it is made: days or years, "90d" or
	// "7y". There is no default: what is locked cannot be taken back.
	Retention string `yaml:"retention"`
	// Mode is "compliance", or "governance": then whoever has the right to may end the lock before.
	// Default "compliance".
	Mode string `yaml:"mode"`

	// Keep is what Retention says.
	Keep time.Duration `yaml:"-"`
}

// The modes of a lock.
const (
	LockCompliance = "compliance"
	LockGovernance = "governance"
)

var (
	// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	// The characters that every storage takes as they are:
	// https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
	objectPrefix = regexp.MustCompile(`^([A-Za-z0-9!_.*'()-]+/)+$`)
	regionName   = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
)

// mostPrefix is the length of the longest prefix, in bytes: an object's name has 1024 at most.
const mostPrefix = 512

// readBucket reads what the settings say of the bucket, and the file with its secret. No error shows
// what is in that.
func (c *Config) readBucket(files func(string) ([]byte, error)) error {
	b := &c.Bucket
	if *b == (Bucket{}) {
		return nil
	}
	var problems []error
	bad := func(setting, rule string, args ...any) {
		problems = append(problems, fmt.Errorf("config: COUNTERSIGN_BUCKET"+setting+": "+rule, args...))
	}
	for _, d := range []struct {
		field *string
		value string
	}{{&b.Endpoint, "https://s3.amazonaws.com"}, {&b.Region, "us-east-1"}, {&b.Mode, LockCompliance}} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	switch {
	case b.Name == "":
		bad("", "is not set, and something else of the bucket is\n  hint: the name of the bucket; leave all of it out to put bundles nowhere")
	case !bucketName.MatchString(b.Name):
		bad("", "is %q, which is no name of a bucket: 3 to 63 small letters, digits, dots and hyphens", b.Name)
	}
	if !endpoint(b.Endpoint) {
		bad("_ENDPOINT", "must be an https address without a path, for example https://s3.eu-central-1.amazonaws.com; http is for this machine only")
	}
	if !regionName.MatchString(b.Region) {
		bad("_REGION", "is %q, must be the name of a region, for example eu-central-1", b.Region)
	}
	if b.Prefix != "" && (!objectPrefix.MatchString(b.Prefix) || len(b.Prefix) > mostPrefix) {
		bad("_PREFIX", "is %q, must end with a slash and begin with none, for example countersign/; letters, digits and !_.*'()- are between the slashes", b.Prefix)
	}
	if b.AccessKeyID == "" {
		bad("_ACCESS_KEY_ID", "is not set\n  hint: the access key that may put objects into the bucket")
	}
	if b.Mode != LockCompliance && b.Mode != LockGovernance {
		bad("_MODE", "is %q, must be %s or %s", b.Mode, LockCompliance, LockGovernance)
	}
	if keep, ok := parseKept(b.Retention); ok && keep > 0 {
		b.Keep = keep
	} else {
		bad("_RETENTION", "is %q, must be a number of days or years\n  hint: for how long nobody may delete a bundle, for example 90d or 7y; begin with 1d: what is locked stays for that long", b.Retention)
	}
	return errors.Join(append(problems, b.readSecret(files))...)
}

// readSecret reads the secret access key from its file, if it is in one.
func (b *Bucket) readSecret(files func(string) ([]byte, error)) error {
	switch {
	case b.SecretAccessKeyFile == "" && b.SecretAccessKey == "":
		return errors.New("config: COUNTERSIGN_BUCKET_SECRET_ACCESS_KEY_FILE: is not set\n  hint: a file with the secret access key, or COUNTERSIGN_BUCKET_SECRET_ACCESS_KEY with its text")
	case b.SecretAccessKeyFile == "":
		return nil
	case b.SecretAccessKey != "":
		return errors.New("config: COUNTERSIGN_BUCKET_SECRET_ACCESS_KEY and COUNTERSIGN_BUCKET_SECRET_ACCESS_KEY_FILE are both set: keep one")
	}
	text, err := files(b.SecretAccessKeyFile)
	if err != nil {
		return fmt.Errorf("config: bucket.secret_access_key_file: %w\n  hint: put the secret access key into it, readable for the account that runs countersign", err)
	}
	if b.SecretAccessKey = strings.TrimSpace(string(text)); b.SecretAccessKey == "" {
		return fmt.Errorf("config: bucket.secret_access_key_file: %s has no key in it", b.SecretAccessKeyFile)
	}
	return nil
}

// endpoint says whether an address is one of a storage. What is signed and not encrypted stays on this machine.
func endpoint(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && thisMachine(u)
}

// thisMachine says whether an address is of this machine, so that nothing leaves it.
func thisMachine(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
