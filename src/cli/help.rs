//! The examples under each command's help: what is typed, and what comes of it.

pub(super) const INIT: &str = "\
Examples:
  kedrctl init                                                  asks which server
  kedrctl init soc --server-url https://kata.example.org        asks nothing that has a default
  kedrctl init --server-url https://10.0.0.5 --name hq --ci gitlab --yes

What is there already is left as it is. The next step is `kedrctl register`.";

pub(super) const REGISTER: &str = "\
Examples:
  kedrctl register                              shows the server's certificate, asks, waits for the administrator
  kedrctl register hq --timeout 10m             one of several servers, for ten minutes
  kedrctl register --no-wait --fingerprint 9F:86:D0:…           in a script; run it again to see whether it is done

Exit codes: 0 this client is accepted; 3 the certificate was not confirmed; 5 not accepted yet, or the server cannot be
reached or is not trusted; 130 interrupted.";

pub(super) const PLAN: &str = "\
Examples:
  kedrctl plan                                  what apply would do, for the state in this folder
  kedrctl plan --limit 'WS-0*,front-desk'       for these hosts only
  kedrctl plan --detailed-exitcode              0 nothing to do, 2 changes, 3 refused, 4 incomplete
  kedrctl plan --summary                        how many of what, of a large plan
  kedrctl plan --format json | jq '.changes[].subject'
  kedrctl plan --report markdown=comment.md --report sarif=plan.sarif      for a merge request
  kedrctl plan -o plan.json                     to be approved, and then carried out by `apply plan.json`
  kedrctl plan --save                           to be approved by its id: `apply --approved PLAN_ID`";

pub(super) const APPLY: &str = "\
Examples:
  kedrctl apply                                 shows the plan, asks, writes, reads back
  kedrctl apply --yes                           in a job: does not ask
  kedrctl apply --allow isolations=7            beyond a limit, this once
  kedrctl apply --server hq -v                  one server, with each call on stderr
  kedrctl apply plan.json                       exactly what `plan -o plan.json` saved, or nothing
  kedrctl apply --approved plan.json -f kedr    what the files say now, and nothing that is not in that plan
  kedrctl apply --yes --batch 1,10%,100% --max-failures 0       one change first, and no more after a failure
  kedrctl apply --yes --format json             one object a line, for programs

Running it again continues what was interrupted or failed.";

pub(super) const DRIFT: &str = "\
Examples:
  kedrctl drift                                 0 as declared, 2 differences, 4 cannot tell
  kedrctl drift --require-contact               4 also where no agent can have carried it out yet
  kedrctl drift --all-hosts                     what no file declares, too; reads every host
  kedrctl drift --format json > drift.json
  kedrctl drift --since drift.json --fail-on new                  2 only on what differs since then
  kedrctl drift --report junit=report.xml --report prometheus=kedrctl.prom";

pub(super) const SNAPSHOT: &str = "\
Examples:
  kedrctl snapshot -o observed.json                 what the files declare, and what the record shows as ours
  kedrctl snapshot --all-hosts -o observed.json     so that a merge request may declare any host";

pub(super) const HOSTS: &str = "\
Examples:
  kedrctl hosts                                 all of them
  kedrctl hosts --name 'ws-0*' --os windows     by what they are
  kedrctl hosts --silent 24h                    not seen for a day
  kedrctl hosts --isolated                      with an isolation rule, whoever set it; reads each host
  kedrctl hosts --rules --format csv > hosts.csv

Exit codes: 4 a list that is not whole, or a host that could not be read; 5 no server could be reached.";

pub(super) const SHOW: &str = "\
Examples:
  kedrctl show WS-017.corp.example              by its name, entry, address or sensor id
  kedrctl show 10.1.2.3 --format json | jq .isolated_until

Exit codes: 4 something of it could not be read; 5 its server, or the record, could not be reached.";

pub(super) const PROBE: &str = "\
Examples:
  kedrctl probe --on LAB-1.corp.example         says what it will do, and asks
  kedrctl probe --on LAB-1.corp.example --long  in the background of a working day: up to three hours

It writes to this one host only, puts back what was there, also after Ctrl-C, and checks that by reading. The report has
no names, addresses, ids or hashes of yours: attach it to a report of a problem, so that the next version knows your
server.";

pub(super) const SIMULATE: &str = "\
Examples:
  kedrctl simulate fleet.yaml                   prints a `servers:` block for a state; Ctrl-C ends it
  kedrctl simulate fleet.yaml --listen 127.0.0.1:8443 --credentials client
  kedrctl simulate fleet.yaml --reset           a new world, with other certificates";

pub(super) const COMPLETIONS: &str = "\
Examples:
  kedrctl completions bash > ~/.local/share/bash-completion/completions/kedrctl
  kedrctl completions zsh > \"${fpath[1]}/_kedrctl\"
  kedrctl completions fish > ~/.config/fish/completions/kedrctl.fish
  kedrctl completions powershell >> $PROFILE";

pub(super) const HISTORY: &str = "\
Examples:
  kedrctl history                               the last runs, who and why
  kedrctl history --format json";

pub(super) const WHY: &str = "\
Examples:
  kedrctl why WS-017.corp.example               who set its rules, when and why
  kedrctl why 900150983cd24fb0d6963f7d28e17f72  who put this hash there";

pub(super) const IMPORT: &str = "\
Examples:
  kedrctl import -o imported                    a fleet as it is, as new state files whose plan is empty";

pub(super) const RECORD: &str = "\
Examples:
  kedrctl record verify                         whether the record is whole and as it was written";
