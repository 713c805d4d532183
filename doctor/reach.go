package doctor

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	// renewAhead is how long before its end a certificate is to be renewed.
	renewAhead = 21 * 24 * time.Hour
	// skewed is how far apart the clocks here and at GitHub may be, the second in which GitHub tells
	// the time and the way there included. broken is from when on GitHub refuses what the App signs.
	skewed = 5 * time.Second
	broken = 30 * time.Second
)

// probing follows no redirect: what is asked for is what is looked at.
func probing() *http.Client {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSHandshakeTimeout: 10 * time.Second}
	return &http.Client{Timeout: 15 * time.Second, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// probe is what an address answered.
type probe struct {
	status int
	tls    *tls.ConnectionState // nil: it was not spoken
	date   time.Time            // zero: the answer has none
	asked  time.Time
	took   time.Duration
}

func (e *examination) probe(ctx context.Context, address string) (p probe, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return p, err
	}
	r.Header.Set("User-Agent", e.UserAgent)
	p.asked = e.Now()
	resp, err := e.probes.Do(r)
	if err != nil {
		return p, err
	}
	p.took = e.Now().Sub(p.asked)
	p.status, p.tls = resp.StatusCode, resp.TLS
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		p.date = date
	}
	return p, resp.Body.Close()
}

// githubEndpoint looks at how GitHub is reached, and compares the clocks.
func (e *examination) githubEndpoint(ctx context.Context) {
	const setting = "GITHUB_V3_API_URL"
	address := e.cfg.GitHub.V3APIURL
	p, err := e.probe(ctx, address)
	if err != nil {
		e.find(Finding{Severity: High, Check: checkGitHub, Subject: setting, What: "GitHub is not reached: " + err.Error(), Remedy: "Let this machine reach " + address + ", and trust its certificate."})
		return
	}
	e.transport(checkGitHub, setting, address, p)
	if p.date.IsZero() {
		e.find(Finding{Severity: Low, Check: checkClock, Subject: setting, What: "GitHub does not tell the time, so the clock here was compared with nothing.", Remedy: "Look for a proxy in between that takes the header Date away."})
		return
	}
	// The answer was made between asking and hearing, and its time has whole seconds.
	apart := p.asked.Add(p.took / 2).Sub(p.date.Add(500 * time.Millisecond))
	f := Finding{Check: checkClock, Subject: "this machine", What: fmt.Sprintf("Its clock is %s away from GitHub's.", apart.Abs().Round(time.Second)), Remedy: "Let NTP set the clock."}
	switch off := apart.Abs() - p.took/2; {
	case off > broken:
		f.Severity, f.What = High, f.What+" GitHub takes what the App signs for a minute or so only."
	case off > skewed:
		f.Severity = Medium
	default:
		return
	}
	e.find(f)
}

// transport looks at the TLS of an address that answered.
func (e *examination) transport(check, setting, address string, p probe) {
	if p.tls == nil {
		if !local(address) {
			e.find(Finding{Severity: High, Check: check, Subject: setting, What: address + " is reached without TLS: whoever is in between reads and changes what passes.", Remedy: "Use an https address."})
		}
		return
	}
	certificate := p.tls.PeerCertificates[0]
	e.observe(check, address, "%s, %s, certificate until %s", tls.VersionName(p.tls.Version), tls.CipherSuiteName(p.tls.CipherSuite), certificate.NotAfter.UTC().Format(time.DateOnly))
	e.expiry(check, setting, "The certificate of "+address, certificate.NotAfter)
}

// expiry looks at the end of a certificate.
func (e *examination) expiry(check, subject, what string, end time.Time) {
	switch left := end.Sub(e.Now()); {
	case left <= 0:
		e.find(Finding{Severity: High, Check: check, Subject: subject, What: fmt.Sprintf("%s ended on %s.", what, end.UTC().Format(time.DateOnly)), Remedy: "Renew it."})
	case left < renewAhead:
		e.find(Finding{Severity: Medium, Check: check, Subject: subject, What: fmt.Sprintf("%s ends on %s.", what, end.UTC().Format(time.DateOnly)), Remedy: "Renew it. A server that runs takes the new files by itself."})
	}
}

// local says whether an address is of this machine, so that nothing leaves it.
func local(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// certificate looks at the one that the server speaks TLS with.
func (e *examination) certificate() {
	const setting = "COUNTERSIGN_TLS_CERTIFICATE_FILE"
	if e.cfg.TLSCertificateFile == "" {
		return // a proxy speaks TLS: the public address shows how
	}
	pair, err := tls.LoadX509KeyPair(e.cfg.TLSCertificateFile, e.cfg.TLSKeyFile)
	if err != nil {
		e.find(Finding{Severity: High, Check: checkTLS, Subject: setting, What: "The certificate cannot be used: " + err.Error(), Remedy: "COUNTERSIGN_TLS_CERTIFICATE_FILE and COUNTERSIGN_TLS_KEY_FILE name a certificate and its key, in PEM."})
		return
	}
	e.expiry(checkTLS, setting, "The certificate in "+e.cfg.TLSCertificateFile, pair.Leaf.NotAfter)
	if u, err := url.Parse(e.cfg.PublicURL); err == nil && u.Hostname() != "" {
		if err := pair.Leaf.VerifyHostname(u.Hostname()); err != nil {
			e.find(Finding{Severity: Medium, Check: checkTLS, Subject: setting, What: "It is not one for the public address: " + err.Error(), Remedy: "Use a certificate for the host of COUNTERSIGN_PUBLIC_URL, unless a proxy with another one is in front."})
		}
	}
}

// publicURL asks the server where GitHub sends deliveries to. How it is reached from elsewhere, only
// GitHub's deliveries say.
func (e *examination) publicURL(ctx context.Context) {
	const setting = "COUNTERSIGN_PUBLIC_URL"
	address := e.cfg.PublicURL + e.HookPath
	p, err := e.probe(ctx, address)
	if err != nil {
		e.find(Finding{Severity: High, Check: checkPublicURL, Subject: setting, What: "The server is not reached: " + err.Error(), Remedy: "Start countersign serve, and let " + address + " lead to it: DNS, firewall, proxy, certificate."})
		return
	}
	e.transport(checkPublicURL, setting, e.cfg.PublicURL, p)
	// Deliveries are posted, and the server says so.
	if p.status != http.StatusMethodNotAllowed {
		e.find(Finding{Severity: High, Check: checkPublicURL, Subject: setting, What: fmt.Sprintf("%s is answered with %d, and not as countersign does.", address, p.status),
			Remedy: "Let the address lead to countersign serve, with its path unchanged."})
	}
}
