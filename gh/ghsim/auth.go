package ghsim

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

// authenticate reads the Authorization header: "Bearer" or "token", with an App's JWT, an
// installation access token or a person's token, or "Basic", with an App's client id and secret.
// No header is an anonymous viewer.
func (s *Sim) authenticate(r *http.Request) (*viewer, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return &viewer{}, nil
	}
	if id, secret, ok := r.BasicAuth(); ok {
		return s.authenticateClient(id, secret)
	}
	scheme, secret, _ := strings.Cut(header, " ")
	if scheme = strings.ToLower(scheme); scheme != "bearer" && scheme != "token" {
		return nil, errBadToken
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.Count(secret, ".") == 2 {
		return s.authenticateApp(secret)
	}
	t := s.tokens[secret]
	if t == nil || (!t.expiresAt.IsZero() && time.Now().After(t.expiresAt)) {
		return nil, errBadToken
	}
	if t.installation != nil {
		if !t.installation.suspendedAt.IsZero() {
			return nil, &apiError{status: 403, message: "This installation has been suspended"}
		}
		return &viewer{installation: t.installation, token: t, user: t.installation.app.bot}, nil
	}
	return &viewer{token: t, user: t.user}, nil
}

func (s *Sim) authenticateClient(id, secret string) (*viewer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.client(id)
	if a == nil || a.signIn.secret != secret {
		return nil, errBadToken
	}
	return &viewer{client: a}, nil
}

// maxJWT is how far ahead GitHub lets an App's token expire.
const maxJWT = 10 * time.Minute

// authenticateApp verifies an App's JWT: RS256 by the App's key, not expired, not valid
// for longer than ten minutes.
func (s *Sim) authenticateApp(raw string) (*viewer, error) {
	var found *app
	claims := jwt.MapClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation())
	_, err := parser.ParseWithClaims(raw, claims, func(*jwt.Token) (any, error) {
		if found = s.apps[issuer(claims)]; found == nil || found.key == nil {
			return nil, errors.New("no such App")
		}
		return &found.key.PublicKey, nil
	})
	if err != nil {
		return nil, errNeedsJWT
	}
	now := time.Now()
	if !claims.VerifyExpiresAt(now.Unix(), true) {
		return nil, &apiError{status: 401, message: "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires"}
	}
	if claims.VerifyExpiresAt(now.Add(maxJWT+time.Minute).Unix(), true) {
		return nil, &apiError{status: 401, message: "'Expiration time' claim ('exp') is too far in the future"}
	}
	if !claims.VerifyIssuedAt(now.Add(time.Minute).Unix(), false) {
		return nil, &apiError{status: 401, message: "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"}
	}
	return &viewer{app: found}, nil
}

// issuer is the App id in a JWT, which clients write as a number or as text.
func issuer(claims jwt.MapClaims) int64 {
	switch iss := claims["iss"].(type) {
	case string:
		id, _ := strconv.ParseInt(iss, 10, 64)
		return id
	case float64:
		return int64(iss)
	}
	return 0
}

// newToken makes an installation access token that lives for an hour.
func (s *Sim) newToken(i *installation, permissions map[string]string, selected map[int64]bool) *token {
	if permissions == nil {
		permissions = i.permissions
	}
	t := &token{value: s.secret("ghs_"), installation: i, permissions: permissions, selected: selected, expiresAt: time.Now().Add(time.Hour)}
	s.tokens[t.value] = t
	return t
}

// secret makes up a token of GitHub's form. It only has to be unlike the others.
func (s *Sim) secret(prefix string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, 36)
	for i := range b {
		b[i] = letters[s.random.Intn(len(letters))]
	}
	return prefix + string(b)
}

// made are the keys that Apps got in this process. Making one takes a tenth of a second, so what
// every simulated GitHub begins with are the same ones; within one of them, no two are.
var made struct {
	sync.Mutex
	keys []*rsa.PrivateKey
}

// newKey returns a key pair that no App of this GitHub had.
func (s *Sim) newKey() (*rsa.PrivateKey, error) {
	n := int(s.keysGiven.Add(1))
	made.Lock()
	defer made.Unlock()
	for len(made.keys) < n {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, fmt.Errorf("ghsim: make an App's key: %w", err)
		}
		made.keys = append(made.keys, key)
	}
	return made.keys[n-1], nil
}

// encodeKey writes a key as GitHub hands it out: PKCS #1 in PEM.
func encodeKey(key *rsa.PrivateKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}
