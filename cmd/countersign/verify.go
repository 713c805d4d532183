package main

import (
	"context"

	"github.com/countersign/countersign/evidence/verify"
)

func runVerify(ctx context.Context, args []string, env environment) error {
	return verify.Run(ctx, "countersign verify", args, env.stdout, env.stderr, progress(env.stderr, "decisions"))
}
