// Runs under whatever Node npm was started with: installs what the lock file names, where it is not there yet.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

// What npm needs. Packages that run scripts of theirs have no business with what an operator's command is given.
const PASSED =
  /^(path|pathext|home|userprofile|(local)?appdata|systemroot|comspec|te?mp|tmpdir|lang|lc_\w+|ci|(https?|no|all)_proxy|node_(extra_ca_certs|use_system_ca|use_env_proxy)|(volta_home|asdf_data_dir|nvm_dir)|ssl_cert_(file|dir)|npm_config_.*)$/i;

const mark = 'node_modules/.installed-from';
const wanted = createHash('sha256').update(readFileSync('package-lock.json')).digest('hex');
const installed = existsSync(mark) && readFileSync(mark, 'utf8') === wanted;
if (!installed) {
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    stdio: 'inherit',
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => PASSED.test(name))),
    shell: process.platform === 'win32',
  });
  if (status !== 0) process.exit(status ?? 1);
  writeFileSync(mark, wanted);
}
