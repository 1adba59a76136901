/** The second factor of an account: enrolment with a QR code, recovery codes, switching it off. */

import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Account, Totp } from "../data/api";
import { beginTotp, confirmTotp, dropTotp, newRecovery } from "../data/people";
import { Dialog } from "../tools/Dialog";
import { Mark } from "../tools/Mark";
import { Once } from "../tools/Once";
import { QrCode } from "../tools/QrCode";
import { Sheet } from "../tools/Sheet";
import { useWork } from "../tools/work";

type Shown = "" | "enrol" | "drop" | "codes";

export function SecondFactor({ account }: { account: Account }) {
  const { t } = useTranslation();
  const [shown, setShown] = useState<Shown>("");
  const [codes, setCodes] = useState<string[]>([]);
  const { busy, error, run } = useWork();
  const close = () => setShown("");
  const tell = (found: string[]) => {
    setCodes(found);
    setShown("codes");
  };
  return (
    <section className="block" aria-labelledby="factor">
      <div className="block-head">
        <div>
          <h2 id="factor">
            {t("account.factor")}{" "}
            <Mark tone={account.totp ? "good" : "plain"}>
              {t(account.totp ? "account.on" : "account.off")}
            </Mark>
          </h2>
          <p className="dim">{account.totp ? t("account.recoveryLeft", { count: account.recovery_left }) : t("account.factorText")}</p>
        </div>
        {account.totp ? (
          <span className="together">
            <Button variant="default" loading={busy} onClick={() => void run(async () => tell((await newRecovery()).recovery_codes))}>
              {t("account.newCodes")}
            </Button>
            <Button variant="default" onClick={() => setShown("drop")}>
              {t("account.dropFactor")}
            </Button>
          </span>
        ) : (
          <Button onClick={() => setShown("enrol")}>{t("account.enrol")}</Button>
        )}
      </div>
      {error && (
        <p className="bad" role="alert">
          {error}
        </p>
      )}
      {shown === "enrol" && <Enrol onCodes={tell} onClose={close} />}
      {shown === "drop" && <Drop onClose={close} />}
      {shown === "codes" && (
        <Dialog title={t("account.codes")} onClose={close}>
          <Once secret={codes.join("\n")} text={t("account.codesText")} />
          <div className="sheet-end">
            <Button onClick={close}>{t("account.codesKept")}</Button>
          </div>
        </Dialog>
      )}
    </section>
  );
}

function Enrol({ onCodes, onClose }: { onCodes: (codes: string[]) => void; onClose: () => void }) {
  const { t } = useTranslation();
  const { error, run } = useWork();
  const [totp, setTotp] = useState<Totp | null>(null);
  const [code, setCode] = useState("");
  useEffect(() => void run(async () => setTotp(await beginTotp())), [run]);
  return (
    <Dialog title={t("account.enrol")} onClose={onClose}>
      {error && (
        <p className="bad" role="alert">
          {error}
        </p>
      )}
      {totp && (
        <Sheet submit={t("account.confirm")} work={async () => onCodes((await confirmTotp(code.replaceAll(" ", ""))).recovery_codes)} onCancel={onClose}>
          <p className="dim">{t("account.enrolText")}</p>
          <QrCode text={totp.uri} name={t("account.qr")} />
          <p className="dim">
            {t("account.byHand")} <span className="mono secret">{totp.secret.replace(/(.{4})/g, "$1 ").trim()}</span>
          </p>
          <TextInput label={t("signin.code")} required inputMode="numeric" autoComplete="one-time-code" value={code} onChange={(event) => setCode(event.currentTarget.value)} />
        </Sheet>
      )}
    </Dialog>
  );
}

function Drop({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const [password, setPassword] = useState("");
  return (
    <Dialog title={t("account.dropFactor")} onClose={onClose}>
      <Sheet submit={t("account.dropFactor")} work={() => dropTotp(password)} onDone={onClose} onCancel={onClose}>
        <p className="dim">{t("account.dropText")}</p>
        <PasswordInput label={t("signin.password")} required autoComplete="current-password" value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
      </Sheet>
    </Dialog>
  );
}
