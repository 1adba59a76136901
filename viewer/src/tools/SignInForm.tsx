/** Signing in, step by step: login and password, the second factor, a password of one's own. */

import { type FormEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { DemoAccount, Session, Totp } from "../data/api";
import { Refused } from "../data/client";
import { beginTotp, confirmTotp } from "../data/people";
import { askSession, keep, newPassword, secondFactor, signIn } from "../data/session";
import { QrCode } from "./QrCode";
import "./signin.css";
import { useWork } from "./work";

type Props = { session: Session; login?: string; back: string; onDone: (session: Session) => void };

export function SignInForm({ session, login = "", back, onDone }: Props) {
  const [password, setPassword] = useState("");
  const [another, setAnother] = useState(false);
  const next = (found: Session) => {
    setAnother(false);
    if (found.signed_in && !found.step) onDone(found);
    else keep(found);
  };
  const step = another ? "" : session.step;
  if (step === "second_factor") return <SecondFactor onNext={next} onAgain={() => setAnother(true)} />;
  if (step === "new_password") return <NewPassword old={password} onNext={next} />;
  if (step === "set_up_factor") return <SetUpFactor onNext={next} />;
  return <Credentials session={session} login={login} back={back} onPassword={setPassword} onNext={next} />;
}

function Credentials({ session, login, back, onPassword, onNext }: { session: Session; login: string; back: string; onPassword: (password: string) => void; onNext: (session: Session) => void }) {
  const { t } = useTranslation();
  return (
    <>
      <Step
        submit={t("signin.submit")}
        work={async (values) => {
          onPassword(values.password!);
          onNext(await signIn(values.login!.trim(), values.password!));
        }}
      >
        <Field name="login" label={t("signin.login")} value={login} autoComplete="username" autoFocus={!login} />
        <Field name="password" label={t("signin.password")} type="password" autoComplete="current-password" autoFocus={Boolean(login)} />
      </Step>
      {session.demo.length > 0 && <Demo accounts={session.demo} onNext={onNext} />}
      {session.providers.length > 0 && (
        <div className="providers">
          <p className="or">
            <span>{t("signin.or")}</span>
          </p>
          {session.providers.map((provider) => (
            <a key={provider.id} className="provider" href={`/api/oidc/${encodeURIComponent(provider.id)}?${new URLSearchParams({ to: back })}`}>
              {t("signin.with", { name: provider.label })}
            </a>
          ))}
        </div>
      )}
    </>
  );
}

/** The accounts of the demonstration, a click each. */
function Demo({ accounts, onNext }: { accounts: DemoAccount[]; onNext: (session: Session) => void }) {
  const { t } = useTranslation();
  const { busy, error, run } = useWork();
  return (
    <div className="demo">
      <p className="or">
        <span>{t("signin.demo")}</span>
      </p>
      <div className="demo-accounts">
        {accounts.map(({ login, password, role }) => (
          <button key={login} type="button" disabled={busy} onClick={() => void run(async () => onNext(await signIn(login, password)))}>
            <strong>{t(`roles.${role}`)}</strong>
            <span className="mono">{login}</span>
          </button>
        ))}
      </div>
      {error && (
        <p className="signin-error" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}

function SecondFactor({ onNext, onAgain }: { onNext: (session: Session) => void; onAgain: () => void }) {
  const { t } = useTranslation();
  const [lost, setLost] = useState(false);
  const name = t(lost ? "signin.recovery" : "signin.code");
  return (
    <Step key={name} submit={t("signin.submit")} work={async (values) => onNext(await secondFactor(values.code!.replaceAll(" ", "")))}>
      <p className="hint">{t(lost ? "signin.recoveryHint" : "signin.codeHint")}</p>
      <Field name="code" label={name} inputMode={lost ? "text" : "numeric"} autoComplete="one-time-code" autoFocus className="mono" />
      <p className="aside">
        <button type="button" onClick={() => setLost(!lost)}>
          {t(lost ? "signin.haveCode" : "signin.lost")}
        </button>
        <button type="button" onClick={onAgain}>
          {t("signin.other")}
        </button>
      </p>
    </Step>
  );
}

/** A second factor is asked of everybody here: it is set up before anything else. */
function SetUpFactor({ onNext }: { onNext: (session: Session) => void }) {
  const { t } = useTranslation();
  const { error, run } = useWork();
  const [totp, setTotp] = useState<Totp | null>(null);
  const [codes, setCodes] = useState<string[] | null>(null);
  useEffect(() => void run(async () => setTotp(await beginTotp())), [run]);
  if (codes) {
    return (
      <Step submit={t("account.codesKept")} work={async () => onNext(await askSession())}>
        <p className="hint">{t("account.codesText")}</p>
        <output className="codes mono">{codes.join("\n")}</output>
      </Step>
    );
  }
  return (
    <Step submit={t("account.confirm")} work={async (values) => setCodes((await confirmTotp(values.code!.replaceAll(" ", ""))).recovery_codes)}>
      <p className="hint">{t("signin.setUpHint")}</p>
      {totp && <QrCode text={totp.uri} name={t("account.qr")} />}
      {totp && (
        <p className="hint">
          {t("account.byHand")} <span className="mono">{totp.secret.replace(/(.{4})/g, "$1 ").trim()}</span>
        </p>
      )}
      <Field name="code" label={t("signin.code")} inputMode="numeric" autoComplete="one-time-code" autoFocus className="mono" />
      {error && <p className="signin-error">{error}</p>}
    </Step>
  );
}

function NewPassword({ old, onNext }: { old: string; onNext: (session: Session) => void }) {
  const { t } = useTranslation();
  const work = async (values: Record<string, string>) => {
    if (values.fresh !== values.again) throw new Refused(400, "passwords_differ", "");
    onNext(await newPassword(old || values.old!, values.fresh!));
  };
  return (
    <Step submit={t("signin.setPassword")} work={work}>
      <p className="hint">{t("signin.newHint")}</p>
      {!old && <Field name="old" label={t("signin.oneTime")} type="password" autoComplete="current-password" autoFocus />}
      <Field name="fresh" label={t("signin.newPassword")} type="password" autoComplete="new-password" autoFocus={Boolean(old)} />
      <Field name="again" label={t("signin.again")} type="password" autoComplete="new-password" />
    </Step>
  );
}

/** A form that sends its fields, waits, and says in words what went wrong. */
function Step({ submit, work, children }: { submit: string; work: (values: Record<string, string>) => Promise<void>; children: ReactNode }) {
  const { t } = useTranslation();
  const { busy, error, run } = useWork();
  const form = useRef<HTMLFormElement>(null);
  const onSubmit = async (event: FormEvent) => {
    event.preventDefault();
    if (busy) return;
    const values = Object.fromEntries([...new FormData(form.current!)].map(([name, value]) => [name, String(value)]));
    if (!(await run(() => work(values)))) form.current?.querySelector<HTMLInputElement>("input[type=password], input[name=code]")?.select();
  };
  return (
    <form ref={form} className="signin-form" onSubmit={(event) => void onSubmit(event)} aria-busy={busy}>
      {children}
      <p className="signin-error" role="alert">
        {error}
      </p>
      <button type="submit" className="primary" disabled={busy}>
        {busy ? t("signin.busy") : submit}
      </button>
    </form>
  );
}

type FieldProps = { name: string; label: string; value?: string; type?: string; autoComplete: string; autoFocus?: boolean; inputMode?: "text" | "numeric"; className?: string };

function Field({ name, label, value = "", type = "text", autoFocus, className, ...more }: FieldProps) {
  const { t } = useTranslation();
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [shown, setShown] = useState(false);
  useEffect(() => {
    if (autoFocus) input.current?.focus();
  }, [autoFocus]);
  return (
    <div className="signin-field">
      <label htmlFor={id}>{label}</label>
      <span className="signin-box">
        <input ref={input} id={id} name={name} type={shown ? "text" : type} defaultValue={value} className={className} required autoCapitalize="none" spellCheck={false} {...more} />
        {type === "password" && (
          <button type="button" aria-pressed={shown} aria-label={t("signin.show", { name: label })} onClick={() => setShown(!shown)}>
            {t(shown ? "signin.hideWord" : "signin.showWord")}
          </button>
        )}
      </span>
    </div>
  );
}
