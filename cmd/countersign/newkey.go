package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/countersign/countersign/config"
	"github.com/countersign/countersign/ledger"
)

const newKeyHelp = `countersign ledger new-key makes the key that signs the log, and prints its public key. serve makes
one by itself at its first start. Make it before where a server cannot keep it: several servers
have the same key, and in Kubernetes it is a secret.

The key is named after the host of the public URL. A file that is there is never replaced. Keep a
copy of it in a place of its own, and give the public key to your auditor.

example:
  countersign ledger new-key --public-url https://countersign.example.com --key countersign.key`

func runNewKey(_ context.Context, args []string, env environment) error {
	flags := newFlags("ledger new-key", env.stderr, newKeyHelp)
	public := flags.String("public-url", env.getenv("COUNTERSIGN_PUBLIC_URL"), "`address` at which GitHub reaches the servers")
	file := flags.String("key", keyFile(env), "`file` to write the key to")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if *public == "" {
		fmt.Fprintln(env.stderr, "countersign ledger new-key: --public-url is needed")
		return errUsage
	}
	cfg := config.Config{PublicURL: *public}
	_, verifier, err := writeNewKey(*file, cfg.LogOrigin())
	switch {
	case errors.Is(err, ledger.ErrKey):
		return fmt.Errorf("--public-url %q: %w\nhint: write https://HOST", *public, err)
	case errors.Is(err, os.ErrExist):
		return fmt.Errorf("%w\nhint: a log is continued by the key that began it; name another file for another key", err)
	case err != nil:
		return err
	}
	fmt.Fprintln(env.stdout, verifier)
	return nil
}
