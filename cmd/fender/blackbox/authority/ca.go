// Package authority is whom the two sides of a sidecar trust in the black-box suite: an authority for certificates, made
// anew for each test, and a token endpoint that knows which of its tokens are good.
package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A CA issues certificates for one test, which fails if one cannot be made.
type CA struct {
	t    testing.TB
	dir  string
	self tls.Certificate
}

// NewCA returns an authority that nobody trusts yet.
func NewCA(t testing.TB) *CA {
	t.Helper()
	ca := &CA{t: t, dir: t.TempDir()}
	template := newTemplate("authority")
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	ca.self = issue(t, template, nil)
	return ca
}

// File is the path of the authority's own certificate as PEM.
func (ca *CA) File() string {
	ca.t.Helper()
	return ca.write("ca.pem", "CERTIFICATE", ca.self.Certificate[0])
}

// Pool holds the authority's own certificate.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.self.Leaf)
	return pool
}

// Server returns a certificate for a server of these host names and addresses.
func (ca *CA) Server(hosts ...string) tls.Certificate {
	ca.t.Helper()
	return issue(ca.t, newTemplate("server", hosts...), &ca.self)
}

// Expired is Server with a certificate that was good until a minute ago.
func (ca *CA) Expired(hosts ...string) tls.Certificate {
	ca.t.Helper()
	template := newTemplate("server", hosts...)
	template.NotAfter = time.Now().Add(-time.Minute)
	return issue(ca.t, template, &ca.self)
}

// Client returns the paths of a client's certificate and its key as PEM.
func (ca *CA) Client(name string) (certFile, keyFile string) {
	ca.t.Helper()
	client := issue(ca.t, newTemplate(name), &ca.self)
	key, err := x509.MarshalPKCS8PrivateKey(client.PrivateKey)
	if err != nil {
		ca.t.Fatalf("authority: %v", err)
	}
	return ca.write(name+".pem", "CERTIFICATE", client.Certificate[0]), ca.write(name+".key", "PRIVATE KEY", key)
}

// SelfSigned returns a certificate that only its own server vouches for.
func SelfSigned(t testing.TB, hosts ...string) tls.Certificate {
	t.Helper()
	return issue(t, newTemplate("server", hosts...), nil)
}

// newTemplate is a certificate that is good for this hour, for a client and for the server of these hosts.
func newTemplate(name string, hosts ...string) *x509.Certificate {
	template := &x509.Certificate{
		Subject:      pkix.Name{CommonName: name},
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
			continue
		}
		template.DNSNames = append(template.DNSNames, host)
	}
	return template
}

// issue makes a key and has the issuer sign a certificate for it; a nil issuer is the key itself.
func issue(t testing.TB, template *x509.Certificate, issuer *tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("authority: %v", err)
	}
	if issuer == nil {
		issuer = &tls.Certificate{Leaf: template, PrivateKey: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.Leaf, key.Public(), issuer.PrivateKey)
	if err != nil {
		t.Fatalf("authority: %v", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatalf("authority: %v", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func (ca *CA) write(name, kind string, der []byte) string {
	ca.t.Helper()
	file := filepath.Join(ca.dir, name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		ca.t.Fatalf("authority: %v", err)
	}
	return file
}
