# What a newcomer types: make demo, make test. Everything else is for those who stay.
# Needed on the machine: Go 1.26, git, npm (for GitHub's published schema), and for the tests
# PostgreSQL and Chromium. Nothing else.

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0
VULNDB      = https://vuln.go.dev
CYCLONEDX   = github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
VERSION     = $$(git describe --tags --always --dirty)

# Tests make hundreds of databases, and each of their commits waits for the disk. Where there is a
# folder in memory with room, it is there that they wait for nothing.
MEMORY      = $$(test -w /dev/shm && test "$$(df --output=avail -k /dev/shm | tail -1)" -gt 4000000 && echo /dev/shm || echo $${TMPDIR:-/tmp})

.PHONY: demo evidence screenshots test crash faults lint bench build binaries release published postgres chromium

## demo: watch agent-authored pull requests being held and released
demo: published
	go run ./cmd/countersign demo

## evidence: the story once more, exported as an auditor gets it, and verified
evidence: published build
	rm -rf bin/demo
	bin/countersign demo --once --data bin/demo
	bin/countersign export --org acme --from $$(date -u +%F) --to $$(date -u -d tomorrow +%F) --database sqlite:bin/demo/countersign.db --key bin/demo/countersign.key -o bin/acme.zip
	@bin/countersign verify bin/acme.zip || test $$? = 3 # the key is the bundle's own word here

## screenshots: the pictures in the guides anew, of the demo's organisation; look at each before it is committed
screenshots: published chromium
	@fc-list | grep -qi emoji || { echo "screenshots: there is no font with the signs of a check run: apt-get install -y fonts-noto-color-emoji"; exit 1; }
	go test -vet=off -count 1 -v -tags screenshots -run 'TestScreenshots$$' ./cmd/countersign

## test: everything that must hold, as CI runs it
test: lint published postgres chromium
	GOTMPDIR=$${TMPDIR:-/tmp} TMPDIR=$(MEMORY) GOGC=400 go test -vet=off -parallel 4 ./...

## crash: kill the server 200 times on each database, or KILLS=1000; about ten minutes, or fifty
KILLS = 200
SEED  = 1
crash: published postgres
	GOTMPDIR=$${TMPDIR:-/tmp} TMPDIR=$(MEMORY) GOGC=400 go test -tags crash -v -timeout 0 -run '^(TestKilled|TestOnPostgresKilled|TestOnPostgresThreeServers)$$' ./cmd/countersign -kills $(KILLS) -seed $(SEED)

## faults: have every request to GitHub fail in every way, on each database; some minutes
faults: published postgres
	GOTMPDIR=$${TMPDIR:-/tmp} TMPDIR=$(MEMORY) GOGC=400 go test -timeout 0 -parallel 4 -run 'EveryRequestFailing$$' ./cmd/countersign -every

## lint: gofmt, vet, staticcheck, and known vulnerabilities where their database is reachable
lint:
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); test -z "$$unformatted" || { echo "not gofmt'ed: $$unformatted"; exit 1; }
	go vet -tags crash,screenshots ./...
	go run $(STATICCHECK) -tags crash,screenshots ./...
	@if curl -sf -m 10 -o /dev/null $(VULNDB)/index/db.json; then go run $(GOVULNCHECK) ./...; \
	else echo "govulncheck: not run, $(VULNDB) is not reachable from here"; fi

## bench: the figures of docs/benchmarks.md, here and at BASE, with ratios and budgets; an hour, or BENCH='Year$$'
BASE  = HEAD~1
BENCH = .
bench: published
	bench/run.sh $(BASE) '$(BENCH)'

## build: the server and the small program for auditors, without paths of this machine in it
build:
	go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/ ./cmd/countersign ./cmd/countersign-verify

## binaries: both programs as they are released, into OUT for OS and ARCH: the same bytes on every machine
binaries:
	GOTOOLCHAIN=$$(sed -n 's/^toolchain //p' go.mod) GOWORK=off GOFLAGS= GOEXPERIMENT= GOFIPS140=off GOAMD64=v1 GOARM64=v8.0 \
	CGO_ENABLED=0 GOOS=$(OS) GOARCH=$(ARCH) go build -trimpath -buildvcs=false \
	-ldflags "-s -w -buildid= -X main.version=$(VERSION)" -o $(OUT)/ ./cmd/countersign ./cmd/countersign-verify

## release: the programs for all platforms, built twice and compared, with sums and what they are made of
release:
	CYCLONEDX=$(CYCLONEDX) deploy/release.sh

## published: fetch GitHub's own schema, description and examples (once, with npm)
published:
	@go run ./gh/ghsim/published/fetch

## postgres: the programs of PostgreSQL, which the tests start (once, where this may install them)
postgres:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || test "$$(id -u)" != 0 || \
	{ apt-get update && apt-get install -y --no-install-recommends postgresql-15; }

## chromium: the browser in which the tests look at the pages (once, where this may install it)
chromium:
	@command -v chromium chromium-browser google-chrome >/dev/null || test "$$(id -u)" != 0 || \
	{ apt-get update && apt-get install -y --no-install-recommends chromium; }
