package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/fender-proxy/fender/proxy/config"
)

// The process settings' names: a flag's, and with FENDER_ before it and in
// capitals an environment variable's.
const (
	configSetting        = "config"
	listenSetting        = "listen"
	metricsListenSetting = "metrics-listen"
	adminListenSetting   = "admin-listen"
	logLevelSetting      = "log-level"
	logFormatSetting     = "log-format"
)

// settings are the process settings: a flag comes before the environment, the
// environment before the file, the file before what is built in. Viper holds
// the upper two; package config lays them over the lower two before it checks
// the whole. It reads the file as well: viper would lose the case of its keys.
type settings struct {
	flags *pflag.FlagSet
	viper *viper.Viper
}

// newSettings defines the settings' flags.
func newSettings(flags *pflag.FlagSet) *settings {
	flags.StringP(configSetting, "c", "", "the configuration `FILE`")
	flags.StringSlice(listenSetting, nil, "`ADDRESS`es for the handler's calls, over the file's listen")
	flags.String(metricsListenSetting, "", "`ADDRESS` for /metrics, /healthz and /readyz, over the file's metrics.listen; empty: none")
	flags.String(adminListenSetting, "", "`ADDRESS` for the admin listener, over the file's admin.listen; empty: none")
	flags.Var(&choice{values: []string{"debug", "info", "warn", "error"}}, logLevelSetting, "debug, info, warn or error, over the file's log.level")
	flags.Var(&choice{values: []string{"json", "text"}}, logFormatSetting, "json or text, over the file's log.format")

	v := viper.New()
	v.SetEnvPrefix("fender")
	v.SetEnvKeyReplacer(strings.NewReplacer("-", "_"))
	v.AllowEmptyEnv(true)
	v.AutomaticEnv()
	// It fails for a nil flag only.
	_ = v.BindPFlags(flags)
	return &settings{flags: flags, viper: v}
}

// file returns the configuration file's name, or nothing.
func (s *settings) file() string { return s.viper.GetString(configSetting) }

// load reads the file that the settings name, with the settings that come
// before it in their place.
func (s *settings) load(options config.Options) (*config.Config, error) {
	for _, name := range []string{configSetting, listenSetting} {
		if s.flags.Changed(name) && len(s.list(name)) == 0 {
			return nil, usageError{fmt.Sprintf("--%s must not be empty", name)}
		}
	}
	if s.file() == "" {
		return nil, usageError{"no configuration: --config FILE is needed"}
	}
	options.Override = config.Override{
		Listen:        s.list(listenSetting),
		MetricsListen: s.address(metricsListenSetting),
		AdminListen:   s.address(adminListenSetting),
		LogLevel:      s.word(logLevelSetting),
		LogFormat:     s.word(logFormatSetting),
	}
	cfg, err := config.Load(s.file(), options)
	if problems := (config.Problems)(nil); errors.As(err, &problems) {
		return nil, s.blame(problems)
	}
	return cfg, err
}

// list returns a setting's values, or nil if it is not set or empty; in the
// environment commas or spaces part them.
func (s *settings) list(name string) []string {
	var list []string
	switch value := s.viper.Get(name).(type) {
	case string:
		list = strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
	case []string:
		list = slices.DeleteFunc(slices.Clone(value), func(s string) bool { return s == "" })
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

// address returns an address, or nil if it is not set. It may be empty: that
// turns a listener off.
func (s *settings) address(name string) *string {
	if !s.viper.IsSet(name) {
		return nil
	}
	address := s.viper.GetString(name)
	return &address
}

// word returns a word, or nil if it is not set or empty.
func (s *settings) word(name string) *string {
	if word := s.viper.GetString(name); word != "" {
		return &word
	}
	return nil
}

// blame names, in the problems of settings that are not the file's, the flag or
// the variable that they came from.
func (s *settings) blame(problems config.Problems) config.Problems {
	problems = slices.Clone(problems)
	for i, p := range problems {
		for name, path := range map[string]string{
			listenSetting:        "listen",
			metricsListenSetting: "metrics.listen",
			adminListenSetting:   "admin.listen",
			logLevelSetting:      "log.level",
			logFormatSetting:     "log.format",
		} {
			key, _, _ := strings.Cut(p.Path, "[")
			if source := s.source(name); key == path && source != "" {
				problems[i].File = source
			}
		}
	}
	return problems
}

// source returns where a setting comes from, as the user wrote it: "--listen",
// "FENDER_LISTEN", or nothing if it is the file's or built in.
func (s *settings) source(name string) string {
	variable := "FENDER_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	switch {
	case s.flags.Changed(name):
		return "--" + name
	case os.Getenv(variable) != "":
		return variable
	}
	return ""
}

// A choice is a flag that takes one of some words.
type choice struct {
	values []string
	value  string
}

func (c *choice) String() string { return c.value }
func (c *choice) Type() string   { return "WORD" }

func (c *choice) Set(value string) error {
	if !slices.Contains(c.values, value) {
		return fmt.Errorf("must be one of %s", strings.Join(c.values, ", "))
	}
	c.value = value
	return nil
}
