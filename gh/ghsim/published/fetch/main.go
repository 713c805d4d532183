// Command fetch brings GitHub's published material into the cache folder, so that tests
// and the demo find it there: go run ./gh/ghsim/published/fetch
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/countersign/countersign/gh/ghsim/published"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "fetch:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	dir, err := published.CacheDir()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "GitHub's published material, kept in %s:\n", dir)
	for _, m := range published.All() {
		begin := time.Now()
		src, err := published.Load(ctx, dir, m)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "  %-20s %s %s, %d KB, %.1f s\n", m.Title, m.Package, m.Version, len(src)/1000, time.Since(begin).Seconds())
	}
	return nil
}
