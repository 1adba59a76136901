/** What each role may do, for which purpose and how far: the table that decides, to be read. */

import { SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Action, Grant, Purpose } from "../data/api";
import { rolesQuery } from "../data/people";
import { ROLES } from "../tools/RoleFields";
import { Trouble } from "../tools/Trouble";
import { Tabs } from "./Tabs";

const PURPOSES: Purpose[] = ["care", "opinion", "research", "teaching", "operations"];
const ACTIONS: Action[] = ["read", "view", "view_label", "export", "store", "delete", "share", "break_glass", "schedule", "report", "validate", "operate", "administer", "audit"];

export function RolesPage() {
  const { t } = useTranslation();
  const [purpose, setPurpose] = useState<Purpose>("care");
  const { data, error, refetch } = useQuery(rolesQuery());
  if (error && !data) return <Trouble error={error} onRetry={() => void refetch()} />;
  const grants = data?.filter((grant) => grant.purpose === purpose) ?? [];
  return (
    <div className="page" aria-busy={!data}>
      <Tabs of="people" />
      <h1>{t("rights.title")}</h1>
      <p className="dim">{t("rights.text")}</p>
      <SegmentedControl className="wrapping" aria-label={t("account.purpose")} value={purpose} onChange={(value) => setPurpose(value as Purpose)} data={PURPOSES.map((value) => ({ value, label: t(`purposes.${value}.name`) }))} />
      <p className="dim">{t(`purposes.${purpose}.text`)}</p>
      <Matrix grants={grants} name={t(`purposes.${purpose}.name`)} />
    </div>
  );
}

function Matrix({ grants, name }: { grants: Grant[]; name: string }) {
  const { t } = useTranslation();
  const roles = ROLES.filter((role) => grants.some((grant) => grant.role === role));
  const actions = ACTIONS.filter((action) => grants.some((grant) => grant.action === action));
  const within = (role: string, action: string) => grants.find((grant) => grant.role === role && grant.action === action)?.within;
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={name}>
      <table className="matrix">
        <thead>
          <tr>
            <th scope="col">{t("people.role")}</th>
            {actions.map((action) => (
              <th key={action} scope="col">
                {t(`actions.${action}`)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {roles.map((role) => (
            <tr key={role}>
              <th scope="row">{t(`roles.${role}`)}</th>
              {actions.map((action) => {
                const far = within(role, action);
                return (
                  <td key={action} className={far ?? "never"}>
                    {far ? t(`rights.within.${far}`) : <span aria-label={t("rights.never")}>–</span>}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
