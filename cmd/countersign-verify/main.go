// Command countersign-verify checks a bundle of evidence. It is small on purpose: an auditor's
// engineer can read all of it, and it holds no database and no network code.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/countersign/countersign/evidence/verify"
)

const program = "countersign-verify"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := verify.Run(ctx, program, os.Args[1:], os.Stdout, os.Stderr, nil)
	if err != nil && !errors.Is(err, verify.ErrUsage) && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, program+":", err)
	}
	os.Exit(verify.ExitCode(err))
}
