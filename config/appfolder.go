package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"go.yaml.in/yaml/v4"
)

// AppFileName is the file in the App's folder that says which App it is.
const AppFileName = "app.yml"

// AppFile is what setup keeps of the App that it registered, in Config.AppFolder. The names of
// files are of that folder.
type AppFile struct {
	IntegrationID      int64  `yaml:"integration_id"`
	Slug               string `yaml:"slug"`
	PrivateKeyFile     string `yaml:"private_key_file"`
	WebhookSecretsFile string `yaml:"webhook_secrets_file"`
	// ClientID and ClientSecretFile are for signing people in.
	ClientID         string `yaml:"client_id"`
	ClientSecretFile string `yaml:"client_secret_file"`
}

// none says whether nothing is set of the App.
func (a App) none() bool {
	return a.IntegrationID == 0 && a.PrivateKey == "" && a.PrivateKeyFile == "" && len(a.WebhookSecrets) == 0 && a.WebhookSecretsFile == ""
}

// readAppFolder takes the App from its folder, unless something of it is set: the two are never mixed.
func (c *Config) readAppFolder(files func(string) ([]byte, error)) error {
	app := &c.GitHub.App
	if !app.none() || len(c.unread) > 0 {
		return nil
	}
	name := filepath.Join(c.AppFolder, AppFileName)
	src, err := files(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // Validate says what is missing
	}
	if err != nil {
		return fmt.Errorf("config: COUNTERSIGN_APP_FOLDER: %w\n  hint: make it readable for the account that runs countersign", err)
	}
	var f AppFile
	loader, err := yaml.NewLoader(bytes.NewReader(src), yaml.WithKnownFields())
	if err == nil {
		err = loader.Load(&f)
	}
	if err != nil {
		return fmt.Errorf("config: %s: %s\n  hint: it is as countersign setup wrote it; set the App's settings one by one instead", name, withoutValues(err))
	}
	app.IntegrationID = f.IntegrationID
	app.PrivateKeyFile, app.WebhookSecretsFile = filepath.Join(c.AppFolder, f.PrivateKeyFile), filepath.Join(c.AppFolder, f.WebhookSecretsFile)
	if o := &c.GitHub.OAuth; *o == (OAuth{}) {
		o.ClientID, o.ClientSecretFile = f.ClientID, filepath.Join(c.AppFolder, f.ClientSecretFile)
	}
	return nil
}

// FirstStart reads the settings of a server that has no App yet; ok is false when it has one, or
// something else is wrong with them.
func FirstStart(path string, getenv func(string) string, files func(string) ([]byte, error)) (c *Config, ok bool) {
	c, problems := read(path, getenv, files)
	if errors.Join(problems...) != nil || !c.GitHub.App.none() || len(c.unread) > 0 {
		return nil, false
	}
	return c, errors.Join(c.readNotifications(files), c.readRetention(), c.readBucket(files), c.validateServer()) == nil
}
