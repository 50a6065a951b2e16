//! Sentences in the other languages.

use super::Phrases;

pub(super) const SPANISH: Phrases = Phrases {
    openings: &["Oye, una cosa rápida.", "Voy caminando a casa.", "No te lo vas a creer.", "Hola, soy yo otra vez."],
    bright: &[
        "¡Nos han dado las llaves del piso y ya huele a café!",
        "El equipo remontó en el último minuto y la plaza entera está saltando.",
        "Mi sobrina ha dicho su primera palabra: «luna».",
        "Hoy bailé hasta que cerraron y todavía no estoy cansado.",
        "Encontré la guitarra de mi padre y todavía suena bien.",
    ],
    soft: &[
        "El mar está en calma y huele a sal.",
        "Llueve despacio y no tengo prisa.",
        "Gracias a todos por lo de ayer, de verdad.",
        "La cocina huele como la de mi abuela.",
        "Creo que todo va a salir bien.",
    ],
    low: &[
        "La casa está muy callada desde que se fueron.",
        "Otra vez el último tren, y yo solo en el andén.",
        "Echo de menos las tardes en el patio.",
        "Estoy tan cansada que no puedo ni leer.",
    ],
    sharp: &[
        "Tengo el examen en una hora y no me acuerdo de nada.",
        "Dos horas esperando y me han colgado.",
        "Las obras empezaron a las seis. Un domingo.",
    ],
    closings: &["Un abrazo.", "Luego te cuento más.", "Escucha eso.", "Hasta mañana."],
    space: " ",
};

pub(super) const FRENCH: Phrases = Phrases {
    openings: &["Bon, très vite.", "Je rentre à pied.", "Tu ne vas pas me croire.", "Coucou, c'est encore moi."],
    bright: &[
        "On a enfin les clés, et la voisine nous a apporté une tarte !",
        "Ma sœur vient d'appeler : c'est une fille !",
        "Le groupe a joué notre chanson au rappel.",
        "Première neige, et toute la rue est dehors.",
        "J'ai couru dix kilomètres sans m'arrêter.",
    ],
    soft: &[
        "Le lac est parfaitement calme ce matin.",
        "La pluie sur le toit, le chat sur mes pieds, rien à faire.",
        "Les résultats sont là et tout va bien.",
        "Ça sent le pain de ma grand-mère.",
        "Merci pour la semaine dernière, vraiment.",
    ],
    low: &[
        "L'appartement est si silencieux depuis leur départ.",
        "Encore le dernier métro, et personne sur le quai.",
        "Le café du coin a fermé. Vingt ans, et puis un papier sur la porte.",
        "Je suis fatiguée de tout ce gris.",
    ],
    sharp: &[
        "L'examen est dans une heure et j'ai tout oublié.",
        "Train supprimé, et personne ne nous dit rien.",
        "Ils ont commencé les travaux à six heures. Un dimanche.",
    ],
    closings: &["Je t'embrasse.", "Je te raconterai la suite.", "Écoute ça.", "À demain."],
    space: " ",
};

pub(super) const GERMAN: Phrases = Phrases {
    openings: &[
        "Nur ganz kurz.",
        "Ich laufe gerade nach Hause.",
        "Das glaubst du mir nie.",
        "Hallo, ich bin's wieder.",
    ],
    bright: &[
        "Wir haben die Schlüssel, und die Küche riecht nach Farbe und Pizza!",
        "Zehn Kilometer ohne Pause, zum ersten Mal.",
        "Oma hat gelernt, Sprachnachrichten zu schicken, und hört nicht mehr auf.",
        "Der erste Schnee, und die ganze Straße steht draußen.",
        "Drei Wochen gesucht, und es war ein Komma.",
    ],
    soft: &[
        "Der See ist ganz still, und ein einziger Vogel singt.",
        "Regen auf dem Dach und nichts zu tun.",
        "Die Ergebnisse sind da, alles ist gut.",
        "Es riecht hier wie in der Küche meiner Großmutter.",
        "Danke euch allen für letzte Woche.",
    ],
    low: &[
        "Die Wohnung ist so leise, seit sie weg sind.",
        "Wieder der letzte Zug, und außer mir niemand am Gleis.",
        "Seit Dienstag habe ich nicht mehr richtig geschlafen.",
        "Alle sind online, und keiner ist da.",
    ],
    sharp: &[
        "Die Prüfung ist in einer Stunde, und mir fällt nichts mehr ein.",
        "Zwei Stunden in der Warteschleife, und dann war die Leitung tot.",
        "Um sechs fing das Bohren an. An einem Sonntag.",
    ],
    closings: &["Das war's schon.", "Den Rest erzähle ich dir später.", "Hör mal.", "Gute Nacht."],
    space: " ",
};

pub(super) const PORTUGUESE: Phrases = Phrases {
    openings: &["Olha, é rapidinho.", "Estou voltando a pé.", "Você não vai acreditar.", "Oi, sou eu de novo."],
    bright: &[
        "Ganhamos nos pênaltis e a rua inteira está cantando!",
        "Minha irmã ligou: é uma menina!",
        "Achei o disco que meu pai sempre tocava.",
        "Hoje o samba foi até de manhã e ninguém quis ir embora.",
        "Corri dez quilômetros sem parar.",
    ],
    soft: &[
        "O mar está calmo e cheira a sal.",
        "Chuva no telhado, café na mesa, nada para fazer.",
        "Saíram os exames e está tudo bem.",
        "Obrigada a todos pela semana passada.",
        "Que saudade boa daquela cozinha.",
    ],
    low: &[
        "A casa ficou tão quieta depois que eles foram.",
        "O último ônibus de novo, e só eu no ponto.",
        "Fechou a padaria da esquina. Vinte anos.",
        "Hoje não consegui sair da cama.",
    ],
    sharp: &[
        "A prova é daqui a uma hora e me deu um branco.",
        "Duas horas de espera e a ligação caiu.",
        "A obra começou às seis. Num domingo.",
    ],
    closings: &["Um beijo.", "Depois eu conto o resto.", "Escuta só isso.", "Até amanhã."],
    space: " ",
};

pub(super) const JAPANESE: Phrases = Phrases {
    openings: &["ちょっとだけ聞いて。", "今、歩いて帰るところ。", "信じられないと思うけど。", "また私です。"],
    bright: &[
        "やっと鍵をもらった。新しい部屋、まだペンキの匂いがする。",
        "初雪!みんな外に出て空を見てる。",
        "十キロ、一度も止まらずに走れた。",
        "アンコールであの曲をやってくれた。",
        "長靴をはいた犬に会った。",
    ],
    soft: &[
        "湖がとても静かで、鳥の声だけが聞こえる。",
        "屋根に雨の音、足もとに猫。",
        "検査の結果、何も問題なかった。",
        "祖母の台所と同じ匂いがする。",
        "先週は本当にありがとう。",
    ],
    low: &[
        "みんなが帰ってから、部屋が静かすぎる。",
        "また終電。ホームには私ひとり。",
        "火曜からちゃんと眠れていない。",
        "角の喫茶店が閉まっていた。",
    ],
    sharp: &[
        "一時間後に試験なのに、何も思い出せない。",
        "電車が止まったのに、何の案内もない。",
        "日曜の朝六時から工事が始まった。",
    ],
    closings: &["じゃあね。", "続きはまた今度。", "この音、聞こえる?", "おやすみ。"],
    space: "",
};
