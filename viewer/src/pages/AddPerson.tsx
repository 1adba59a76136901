/** A new account: who, in which role, and the password that is shown once. */

import { Button, SegmentedControl, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Role, UserMade } from "../data/api";
import { addUser, placesQuery } from "../data/people";
import { Dialog } from "../tools/Dialog";
import { Once } from "../tools/Once";
import { RoleFields } from "../tools/RoleFields";
import { Sheet } from "../tools/Sheet";

export function AddPerson({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const { data: places } = useQuery(placesQuery());
  const [kind, setKind] = useState<"person" | "service">("person");
  const [values, setValues] = useState({ login: "", name: "", email: "", rpps: "" });
  const [chosen, setChosen] = useState<{ role: string; place: string } | null>(null);
  const held = chosen ?? { role: "", place: String(places?.[0]?.id ?? "") };
  const [made, setMade] = useState<UserMade | null>(null);
  if (made) {
    return (
      <Dialog title={t("people.added", { name: made.user.name || made.user.login })} onClose={onClose}>
        {made.password && <Once secret={made.password} text={t("people.once", { login: made.user.login })} />}
        <div className="sheet-end">
          <Button onClick={onClose}>{t("slide.close")}</Button>
        </div>
      </Dialog>
    );
  }
  const text = (name: keyof typeof values) => ({ value: values[name], onChange: (event: React.ChangeEvent<HTMLInputElement>) => setValues({ ...values, [name]: event.currentTarget.value }), autoComplete: "off" });
  const work = async () => {
    const roles = held.role ? [{ role: held.role as Role, place: held.place ? Number(held.place) : null }] : [];
    setMade(await addUser({ ...values, login: values.login.trim(), kind, roles }));
  };
  return (
    <Dialog title={t("people.add")} onClose={onClose}>
      <Sheet submit={t("people.add")} work={work} onCancel={onClose}>
        <SegmentedControl
          aria-label={t("people.kind")}
          value={kind}
          onChange={(value) => setKind(value as typeof kind)}
          data={[
            { value: "person", label: t("people.person") },
            { value: "service", label: t("people.service") },
          ]}
        />
        <TextInput label={t("people.name")} required {...text("name")} />
        <TextInput label={t("signin.login")} description={t("people.loginText")} required autoCapitalize="none" spellCheck={false} {...text("login")} />
        {kind === "person" && (
          <div className="together">
            <TextInput className="grow" label={t("people.email")} type="email" {...text("email")} />
            <TextInput className="grow" label="RPPS" inputMode="numeric" {...text("rpps")} />
          </div>
        )}
        <RoleFields chosen={held} onChange={setChosen} optional />
      </Sheet>
    </Dialog>
  );
}
