package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// TLS is how an https upstream is verified and what it is shown.
type TLS struct {
	CAFile             string `yaml:"ca_file"`
	CertFile           string `yaml:"cert_file"`
	KeyFile            string `yaml:"key_file"`
	ServerName         string `yaml:"server_name"`
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify"`
}

// tlsError is what is wrong with the file that a key names.
type tlsError struct {
	key string
	err error
}

func (e *tlsError) Error() string { return fmt.Sprintf("tls.%s: %v", e.key, e.err) }

// Unwrap returns the cause.
func (e *tlsError) Unwrap() error { return e.err }

// Config returns the settings with their files as they are now.
func (t TLS) Config() (*tls.Config, error) {
	c := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         t.ServerName,
		InsecureSkipVerify: t.InsecureSkipVerify, //nolint:gosec // asked for, and warned of
	}
	if t.CAFile != "" {
		pem, err := ReadFile(t.CAFile)
		if err != nil {
			return nil, &tlsError{"ca_file", err}
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &tlsError{"ca_file", errors.New("the file has no certificate (PEM)")}
		}
	}
	if t.CertFile == "" {
		return c, nil
	}
	certificate, err := ReadFile(t.CertFile)
	if err != nil {
		return nil, &tlsError{"cert_file", err}
	}
	key, err := ReadFile(t.KeyFile)
	if err != nil {
		return nil, &tlsError{"key_file", err}
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, &tlsError{"key_file", errors.New("cert_file and key_file are not a certificate and its key (PEM)")}
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

func (k *check) checkTLS(s section, t TLS) {
	ca := k.checkFile(s, "tls.ca_file", t.CAFile)
	certificate := k.checkFile(s, "tls.cert_file", t.CertFile)
	key := k.checkFile(s, "tls.key_file", t.KeyFile)
	if t.InsecureSkipVerify {
		s.doubt("tls.insecure_skip_verify", "whoever answers is believed to be the upstream", "set ca_file instead")
	}
	switch {
	case t.CertFile != "" && t.KeyFile == "":
		s.fault("tls.cert_file", "needs tls.key_file too", "", "tls.key_file")
	case t.CertFile == "" && t.KeyFile != "":
		s.fault("tls.key_file", "needs tls.cert_file too", "", "tls.cert_file")
	case ca && certificate && key:
		var wrong *tlsError
		if _, err := t.Config(); errors.As(err, &wrong) {
			s.fault("tls."+wrong.key, wrong.err.Error(), "")
		}
	}
}
